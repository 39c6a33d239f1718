//! What the options are.

/// A section: its name, and `(option, what it does)`.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

const USAGE: &str = "\
procjail: a jail without container magic

Usage: procjail run [OPTIONS] -- COMMAND [ARGS]   jail a command
       procjail init [OPTIONS] -- COMMAND [ARGS]  be only its init, in a container of somebody else's
       procjail gc [--dry-run] [--json]           remove what a crash has left
       procjail VERB --help

Exit status: the command's; 128 and the number of the signal that ended it; 126 found but not
executable, 127 not found; 125 an error of procjail's own.
";

const RUN: &[Section] = &[
    (
        "PID 1",
        &[
            (
                "--init",
                "the command is a child of our PID 1 (the default)",
            ),
            (
                "--as-pid1",
                "the command is PID 1 itself, with the kernel's bare rules for one",
            ),
            (
                "-g, --group",
                "signals go to the command's process group, not to it alone",
            ),
        ],
    ),
    (
        "Namespaces (pid, mount, uts and ipc always)",
        &[
            (
                "--unshare net,user,cgroup,time",
                "others; user by itself where the caller may not make the rest",
            ),
            (
                "--time-offsets MONOTONIC:BOOTTIME",
                "what the clocks show more, in seconds",
            ),
            (
                "--uid-map INSIDE:OUTSIDE:COUNT",
                "users of the user namespace (again and again)",
            ),
            ("--gid-map INSIDE:OUTSIDE:COUNT", "groups likewise"),
            (
                "--user UID[:GID]",
                "the command's user and group, as numbers in the jail",
            ),
            ("--hostname NAME", "the jail's host name"),
        ],
    ),
    (
        "Files",
        &[
            (
                "--rootfs DIR",
                "the root directory; without it the host's files are the jail's, to be written as outside",
            ),
            (
                "--ro PATH",
                "read-only with all that the host has below it; `--ro /` for everything of the host",
            ),
            ("--bind SOURCE[:TARGET]", "a path of the host in the jail"),
            ("--ro-bind SOURCE[:TARGET]", "the same, read-only"),
            (
                "--device PATH",
                "a device of the host, from below /dev, in the jail's /dev",
            ),
            ("--tmpfs TARGET[:BYTES]", "an empty file system in memory"),
            (
                "--chdir DIR",
                "working directory; else the current one, or / of a rootfs",
            ),
        ],
    ),
    (
        "Limits (cgroup v1, v2 or both)",
        &[
            (
                "--memory BYTES",
                "memory with page cache; K, M, G are allowed",
            ),
            ("--swap BYTES", "swap"),
            ("--pids N", "processes and threads, PID 1 included"),
            (
                "--cpus N",
                "processor time per time: 0.5 is half a processor",
            ),
            (
                "--cpu-weight 1..10000",
                "share under contention; 100 is everybody's",
            ),
            ("--cpuset LIST", "processors to run on, as in 0-2,4"),
            (
                "--io MAJOR:MINOR:rbps=N,wbps=N,riops=N,wiops=N",
                "limits of a device",
            ),
            ("--cgroup", "a cgroup, also without a limit"),
            (
                "--cgroup-parent PATH",
                "the cgroup below which it is made, from each hierarchy's root or as a path of the host",
            ),
            ("--rlimit NAME=SOFT[:HARD]", "a limit of setrlimit(2)"),
        ],
    ),
    (
        "Protection",
        &[
            (
                "--without NAME,...",
                "leave out: caps no-new-privs seccomp landlock fds env keyring groups devices proc sys",
            ),
            (
                "--cap-add NAME,...",
                "capabilities to keep beside the default ones",
            ),
            (
                "--cap-drop NAME,...",
                "default capabilities to drop too, or all",
            ),
            (
                "--seccomp-allow CALL,...",
                "system calls that the filter is to let through",
            ),
            ("--env NAME=VALUE", "set a variable"),
            (
                "--keep-env NAME,...",
                "variables to keep beside PATH, HOME, TERM, LANG and their like",
            ),
            (
                "--pass-fd N",
                "a descriptor that the command gets beside 0, 1 and 2",
            ),
        ],
    ),
    (
        "Signals",
        &[
            ("--stop-signal SIGNAL", "what TERM is passed on as"),
            (
                "--grace SECONDS",
                "kill everything so long after procjail gets TERM, INT or HUP (^C is the command's, if it has the terminal)",
            ),
        ],
    ),
    (
        "Report",
        &[
            (
                "--status-fd N",
                "a line of JSON for each event on this descriptor, the last with the report; a slow reader delays nothing but our own end, and after TERM, INT or HUP that by a second",
            ),
            ("--json", "the report as a line of JSON on standard error"),
        ],
    ),
];

const INIT: &[Section] = &[(
    "Options",
    &[
        (
            "-g, --group",
            "signals go to the command's process group, not to it alone",
        ),
        (
            "-s, --subreaper",
            "be the parent of orphans without being PID 1",
        ),
        (
            "--rewrite A:B",
            "pass on B in place of A; 0 drops it (again and again)",
        ),
        (
            "--setsid",
            "the command gets a session of its own, not only a process group",
        ),
        (
            "-p, --parent-death SIGNAL",
            "get this signal when our parent dies",
        ),
        (
            "-e, --remap-exit CODE",
            "exit with 0 where the command does with this code",
        ),
    ],
)];

/// How to use it at all.
pub(crate) fn all() -> String {
    USAGE.to_owned()
}

/// `procjail run`.
pub(crate) fn run() -> String {
    sections("Usage: procjail run [OPTIONS] -- COMMAND [ARGS]", RUN)
}

/// `procjail init`.
pub(crate) fn init() -> String {
    sections("Usage: procjail init [OPTIONS] -- COMMAND [ARGS]", INIT)
}

/// `procjail gc`.
pub(crate) fn gc() -> String {
    "Usage: procjail gc [--dry-run] [--json]\n\n\
     Removes cgroups that bear our mark and whose owner is dead, and says what it leaves and why.\n"
        .to_owned()
}

fn sections(usage: &str, sections: &[Section]) -> String {
    let mut lines = vec![usage.to_owned()];
    for (name, options) in sections {
        lines.push(format!("\n{name}:"));
        for (option, what) in *options {
            if option.len() > 32 {
                lines.push(format!("  {option}"));
                lines.push(format!("  {:32} {what}", ""));
            } else {
                lines.push(format!("  {option:32} {what}"));
            }
        }
    }
    lines.join("\n") + "\n"
}

/// Names of the long options of `procjail run`.
#[cfg(test)]
pub(crate) fn options_of_run() -> Vec<&'static str> {
    let options = RUN.iter().flat_map(|(_, options)| *options);
    options
        .filter_map(|(option, _)| option.split_once("--"))
        .map(|(_, rest)| rest.split(' ').next().unwrap_or(rest))
        .collect()
}
