//! Other people's tools on the same reads, where they are installed: what else one might use.
//!
//! Each runs the hidden subcommand `victim` of this binary, which prints its own medians. Tools
//! that need tracefs get it mounted in a mount namespace of their own (unshare(1)), so that
//! nothing is mounted for anybody else.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use record::overhead::{BARE_PROCESS, Measurement, Medians, Shot, Unavailable};

/// Marks the victim's line among a tool's own output.
pub const MARK: &str = "victim-medians-ns";

struct Peer {
    name: &'static str,
    program: &'static str,
    /// Arguments before the victim's command line; `None`: the command goes in as one word.
    args: &'static [&'static str],
    one_word: bool,
    tracefs: bool,
}

const BPFTRACE: &str = "tracepoint:syscalls:sys_enter_pread64 { @start[tid] = nsecs; } \
    tracepoint:syscalls:sys_exit_pread64 /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start[tid]); }";

const ALONE: Peer = Peer {
    name: BARE_PROCESS,
    program: "",
    args: &[],
    one_word: false,
    tracefs: false,
};

const PEERS: [Peer; 3] = [
    Peer {
        name: "bpftrace histogram",
        program: "bpftrace",
        args: &["-e", BPFTRACE, "-c"],
        one_word: true,
        tracefs: true,
    },
    Peer {
        name: "perf trace -s",
        program: "perf",
        args: &["trace", "-s", "-o", "/dev/null", "--"],
        one_word: false,
        tracefs: true,
    },
    Peer {
        name: "strace -c",
        program: "strace",
        args: &["-c", "-f", "-o", "/dev/null"],
        one_word: false,
        tracefs: false,
    },
];

/// Runs every installed peer once a round, after the arms of the same measurement.
pub fn measure(m: &mut Measurement, dir: &Path, cpu: u32, rounds: u32) {
    let victim = |seed: u32| {
        let words = [
            "/proc/self/exe",
            "victim",
            "--cpu",
            &cpu.to_string(),
            "--seed",
            &seed.to_string(),
            "--dir",
        ];
        let mut words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        if let Ok(exe) = std::env::current_exe() {
            words[0] = exe.display().to_string();
        }
        words.push(dir.display().to_string());
        words
    };
    for round in 0..rounds {
        for peer in &PEERS {
            if m.unavailable.iter().any(|u| u.arm == peer.name) {
                continue;
            }
            let alone = || one(&ALONE, &victim(round));
            match (alone(), one(peer, &victim(round)), alone()) {
                (Ok(before), Ok(observed), Ok(after)) => m.shots.push(Shot {
                    round,
                    arm: peer.name.into(),
                    against: BARE_PROCESS.into(),
                    observed,
                    base: before.midway(after),
                }),
                (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => {
                    m.unavailable.push(Unavailable {
                        arm: peer.name.into(),
                        why,
                    });
                }
            }
        }
    }
}

fn one(peer: &Peer, victim: &[String]) -> Result<Medians, String> {
    let mut words: Vec<String> = Vec::new();
    if peer.tracefs {
        let script = "mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null; \
            mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null; exec \"$@\"";
        words.extend(
            [
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                script,
                "sh",
            ]
            .map(String::from),
        );
    }
    if !peer.program.is_empty() {
        words.push(
            installed(peer.program)
                .ok_or("not installed")?
                .display()
                .to_string(),
        );
        words.extend(peer.args.iter().map(|a| (*a).to_owned()));
    }
    if peer.one_word {
        words.push(victim.join(" "));
    } else {
        words.extend_from_slice(victim);
    }
    let output = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("spawn of {}: {e}", words[0]))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).ok_or_else(|| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let said = stderr
            .lines()
            .find(|l| !l.trim().is_empty())
            .unwrap_or("it said nothing")
            .to_owned();
        format!("{}: {said}", output.status)
    })
}

fn parse(text: &str) -> Option<Medians> {
    let line = text.lines().find_map(|l| l.strip_prefix(MARK))?;
    let mut numbers = line.split_whitespace().map(str::parse::<f64>);
    Some(Medians {
        pread_p50_ns: numbers.next()?.ok()?,
        getppid_p50_ns: numbers.next()?.ok()?,
    })
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_victims_line_is_found_among_a_tools_own() {
        let found = parse("Attaching 2 probes...\nvictim-medians-ns 700.0 210.5\n\n@ns:\n");
        let wanted = Medians {
            pread_p50_ns: 700.0,
            getppid_p50_ns: 210.5,
        };
        assert_eq!(found, Some(wanted));
        assert_eq!(parse("nothing"), None);
    }
}
