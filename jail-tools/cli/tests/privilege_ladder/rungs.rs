//! Who runs the tool on a rung, and what is seen from there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use record::manifest::{Manifest, Remedy, RunEnd};
use record::{RunDir, Sample};

use crate::common::{ONE_CELL, Said, Story};
use crate::honesty::Telling;

/// Nobody, by number: a system without the name has the number all the same. Not with
/// `--no-new-privs`, under which file capabilities have no effect.
const NOBODY: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];

/// `kernel.perf_event_paranoid` at 2, the kernel's own default, for as long as this lives.
struct Paranoid {
    before: Option<String>,
}

impl Paranoid {
    const PATH: &str = "/proc/sys/kernel/perf_event_paranoid";

    fn at_2() -> Result<Self, String> {
        let told = |e| format!("{}: {e}", Self::PATH);
        let before = fs::read_to_string(Self::PATH).map_err(told)?;
        if before.trim() == "2" {
            return Ok(Self { before: None });
        }
        fs::write(Self::PATH, "2").map_err(told)?;
        Ok(Self {
            before: Some(before),
        })
    }
}

impl Drop for Paranoid {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            fs::write(Self::PATH, before.trim()).unwrap();
        }
    }
}

/// A story whose binary is a file of its own, which capabilities can be given to, in a directory
/// that nobody may work in.
pub(crate) struct Ladder {
    pub(crate) story: Story,
    _paranoid: Paranoid,
}

impl Ladder {
    pub(crate) fn begin() -> Result<Self, String> {
        let story = Story::begin();
        let paranoid = Paranoid::at_2()?;
        let binary = story.binary();
        fs::remove_file(&binary).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_jail-tools"), &binary).unwrap();
        may_be_entered(&story)?;
        Ok(Self {
            story,
            _paranoid: paranoid,
        })
    }

    /// The same with the binary raised to the second rung.
    pub(crate) fn begin_raised() -> Result<Self, String> {
        let ladder = Self::begin()?;
        ladder.raise()?;
        Ok(ladder)
    }

    pub(crate) fn nobody(&self) -> Command {
        let mut command = self.story.through("setpriv", &NOBODY);
        // The object that xtask chose may be where nobody can read it, which is another story.
        command.env_remove("JAIL_TOOLS_BPF_OBJECT");
        command
    }

    /// Gives the binary what the rung below is told to give it, by the command as it stands: root
    /// carries it out, so without sudo.
    fn raise(&self) -> Result<(), String> {
        let mut below = self.nobody();
        below.args(ONE_CELL).args([
            "--rounds",
            "1",
            "--no-overhead",
            "--out",
            "below",
            "--dir",
            ".",
        ]);
        Said::by(&mut below).ended(0, &[]);
        let told = self.story.recorded("below").manifest().unwrap();
        let command = told.unseen.iter().find_map(|u| match &u.remedy {
            Remedy::Command(c) if u.what.iter().any(|w| w == "steal") => c.strip_prefix("sudo "),
            _ => None,
        });
        let command = command.unwrap_or_else(|| panic!("{:?}", told.unseen));
        let raised = Command::new("sh").args(["-c", command]).output().unwrap();
        if raised.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&raised.stderr).into_owned();
        // EOPNOTSUPP: this filesystem keeps no capabilities. EPERM: this root may not give any.
        // Anything else is a command that is told to people and does not work.
        let of_this_machine = ["not supported", "not permitted"];
        assert!(
            of_this_machine.iter().any(|w| why.contains(w)),
            "{command}: {why}"
        );
        Err(format!("{command}: {}", why.trim()))
    }

    /// `run syslat --quick` to its end, by whom the command makes it.
    pub(crate) fn climb(&self, mut command: Command) -> View<'_> {
        command.args([
            "run",
            "syslat",
            "--quick",
            "--rounds",
            "3",
            "--only",
            "size=4k",
            "--only",
            "access=random",
            "--out",
            "out",
            "--dir",
            ".",
        ]);
        let said = Said::by(&mut command);
        said.ended(0, &[]).prints("complete, 9 of 9 trials");
        let run = self.story.recorded("out");
        let manifest = run.manifest().unwrap();
        assert_eq!(manifest.end, Some(RunEnd::Complete));
        let samples: Vec<Sample> = run
            .trials()
            .unwrap()
            .iter()
            .flat_map(|t| run.samples(t).unwrap())
            .collect();
        assert!(!samples.is_empty());
        assert!(samples.iter().all(|s| s.causes.closes(s.latency_ns)));
        View {
            story: &self.story,
            run,
            said,
            manifest,
            samples,
        }
    }
}

/// The place to work in, for nobody.
fn may_be_entered(story: &Story) -> Result<(), String> {
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    mode(&story.path(""), 0o777).map_err(|e| e.to_string())?;
    let closed = story
        .path("")
        .ancestors()
        .find(|d| fs::metadata(d).map_or(true, |m| m.permissions().mode() & 0o001 == 0))
        .map(Path::to_path_buf);
    match closed {
        Some(dir) => Err(format!("{} is closed to other users", dir.display())),
        None => Ok(()),
    }
}

/// What one rung sees, and how it tells it.
pub(crate) struct View<'a> {
    pub(crate) story: &'a Story,
    pub(crate) run: RunDir,
    pub(crate) said: Said,
    pub(crate) manifest: Manifest,
    pub(crate) samples: Vec<Sample>,
}

impl View<'_> {
    pub(crate) fn export(&self, table: &str, format: &str) -> Said {
        let mut command = self.story.tool();
        command.arg("export").arg(self.run.path());
        let said = Said::by(command.args(["--table", table, "--format", format]));
        said.ended(0, &[]);
        said
    }

    pub(crate) fn telling(&self) -> Telling {
        let report = |more: &[&str]| {
            let mut command = self.story.tool();
            Said::by(command.arg("report").arg(self.run.path()).args(more))
        };
        assert_eq!(report(&[]).out, self.said.out, "the same table again");
        let both = |table| {
            (
                self.export(table, "csv").out,
                self.export(table, "json").json(),
            )
        };
        Telling {
            text: self.said.out.clone(),
            json: report(&["--json"]).json(),
            samples: both("samples"),
            readings: both("readings"),
        }
    }

    /// The commands that would show more; each stands whole on a line of the report.
    pub(crate) fn commands(&self) -> Vec<&str> {
        let remedies = self.manifest.unseen.iter().map(|u| &u.remedy);
        let commands: Vec<&str> = remedies
            .filter_map(|r| match r {
                Remedy::Command(command) => Some(command.as_str()),
                Remedy::Nothing(needed) => {
                    assert!(!needed.is_empty());
                    None
                }
            })
            .collect();
        for command in &commands {
            let line = format!("$ {command}");
            assert!(
                self.said.out.lines().any(|l| l.trim() == line),
                "{line:?} is not a line of {}",
                self.said.out
            );
        }
        commands
    }

    /// What could not be seen is named in the report, with its reason and what would change it.
    pub(crate) fn names_what_it_cannot_see(&self) {
        if !self.manifest.unseen.is_empty() {
            self.said.prints("Not seen, and what would change it");
        }
        for unseen in &self.manifest.unseen {
            assert!(!unseen.what.is_empty() && !unseen.why.is_empty());
            self.said
                .prints(&format!("{} ({})", unseen.what.join(", "), unseen.why));
        }
        let named = |name: &str| {
            let mut all = self.manifest.unseen.iter().flat_map(|u| &u.what);
            all.any(|w| w == name)
        };
        for counter in self
            .manifest
            .counters
            .iter()
            .filter(|c| c.missing.is_some())
        {
            assert!(named(&counter.name), "{counter:?}");
        }
    }
}
