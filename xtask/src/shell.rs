//! Commands of other programs: announced, run, and printed whole when they fail.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// A command before it runs. Unlike `std::process::Command` it can be printed as a line
/// that a shell would take.
#[derive(Debug, Clone)]
pub(crate) struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    /// Variables set (`Some`) or removed (`None`).
    env: Vec<(OsString, Option<OsString>)>,
    dir: Option<PathBuf>,
}

impl Cmd {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
        }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.into(), Some(value.as_ref().to_owned())));
        self
    }

    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.env.push((name.into(), None));
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// The command as a line for a shell, with the variables that were set for it.
    pub(crate) fn line(&self) -> String {
        let set = self.env.iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some(format!("{}={}", name.to_string_lossy(), quoted(value)))
        });
        set.chain(std::iter::once(quoted(&self.program)))
            .chain(self.args.iter().map(|a| quoted(a)))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Prints the command, runs it on our own terminal, and fails unless it exits with 0.
    pub(crate) fn run(&self) -> Result<()> {
        eprintln!("+ {}", self.line());
        let status = self
            .command()
            .status()
            .with_context(|| self.not_started())?;
        self.check(status)
    }

    /// Runs a command without printing it: one small step of something that was announced.
    pub(crate) fn quiet(&self) -> Result<()> {
        self.read_bytes().map(|_| ())
    }

    /// Runs a command that only looks, without printing it, and returns its standard output.
    pub(crate) fn read(&self) -> Result<String> {
        String::from_utf8(self.read_bytes()?)
            .with_context(|| format!("`{}` printed bytes that are not UTF-8", self.line()))
    }

    /// The same for output that is no text.
    pub(crate) fn read_bytes(&self) -> Result<Vec<u8>> {
        let output = self
            .command()
            .stdin(Stdio::null())
            .output()
            .with_context(|| self.not_started())?;
        if !output.status.success() {
            bail!(
                "`{}`: {}\n{}",
                self.line(),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        Ok(output.stdout)
    }

    /// Prints the command and starts it, with nothing on its standard input: the caller reads
    /// its standard output, and ends it.
    pub(crate) fn spawn_reading(&self) -> Result<(Child, ChildStdout)> {
        self.spawn_piped(self.command().stdin(Stdio::null()))
    }

    fn spawn_piped(&self, command: &mut Command) -> Result<(Child, ChildStdout)> {
        eprintln!("+ {}", self.line());
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| self.not_started())?;
        let stdout = child
            .stdout
            .take()
            .with_context(|| format!("`{}`: no pipe to its output", self.line()))?;
        Ok((child, stdout))
    }

    /// Prints the command, runs it, and hands over each line of its standard output as it
    /// comes. Standard error stays on our own. The caller judges the exit status.
    pub(crate) fn stream(&self, mut line: impl FnMut(&str)) -> Result<ExitStatus> {
        let (mut child, stdout) = self.spawn_piped(&mut self.command())?;
        let mut reader = BufReader::new(stdout);
        let mut bytes = Vec::new();
        while reader
            .read_until(b'\n', &mut bytes)
            .with_context(|| format!("read the output of `{}`", self.line()))?
            > 0
        {
            line(String::from_utf8_lossy(&bytes).trim_end_matches('\n'));
            bytes.clear();
        }
        child
            .wait()
            .with_context(|| format!("wait for `{}`", self.line()))
    }

    /// Replaces this process with the command, so that signals and the exit status pass
    /// through untouched. Returns only if that failed.
    pub(crate) fn exec(&self) -> anyhow::Error {
        eprintln!("+ {}", self.line());
        anyhow::Error::new(self.command().exec()).context(self.not_started())
    }

    /// Fails with the whole command unless `status` is success.
    pub(crate) fn check(&self, status: ExitStatus) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        let place = self
            .dir
            .as_ref()
            .map_or_else(String::new, |dir| format!(" (in {})", dir.display()));
        bail!(
            "this command failed with {status}{place}:\n  {}",
            self.line()
        )
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    fn not_started(&self) -> String {
        format!("could not start `{}`", self.line())
    }
}

/// `word` as a shell would take it: quoted only where it must be. Control characters, such
/// as the separator of CARGO_ENCODED_RUSTFLAGS, are written in the `$'…'` form.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    if word.chars().any(char::is_control) {
        let escaped = word.chars().map(|c| match c {
            '\'' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\x{:02x}", u32::from(c)),
            c => c.to_string(),
        });
        return format!("$'{}'", escaped.collect::<String>());
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The first executable file called `program` in the directories of PATH, and all after it.
pub(crate) fn on_path(program: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .filter(|file| is_executable(file))
        .collect()
}

/// Is there a regular file at `path` that somebody may execute?
pub(crate) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_printed_as_a_shell_takes_it() {
        let cmd = Cmd::new("cargo")
            .args(["build", "it's here", ""])
            .env("A", "b c")
            .env_remove("GONE");
        assert_eq!(cmd.line(), r"A='b c' cargo build 'it'\''s here' ''");
        assert_eq!(quoted(OsStr::new("a\u{1f}b")), r"$'a\x1fb'");
    }

    #[test]
    fn a_failing_command_is_printed_whole_with_its_status() {
        let error = Cmd::new("sh")
            .args(["-c", "exit 7"])
            .run()
            .expect_err("it exits with 7")
            .to_string();
        assert!(
            error.contains("sh -c 'exit 7'") && error.contains('7'),
            "{error}"
        );
    }

    #[test]
    fn what_a_quiet_command_said_on_standard_error_is_in_the_error() {
        let error = Cmd::new("sh")
            .args(["-c", "echo why >&2; exit 1"])
            .read()
            .expect_err("exits with 1")
            .to_string();
        assert!(error.contains("why"), "{error}");
    }

    #[test]
    fn output_is_handed_over_line_by_line_with_the_status() {
        let mut lines = Vec::new();
        let status = Cmd::new("sh")
            .args(["-c", "echo a; printf b; exit 3"])
            .stream(|l| lines.push(l.to_owned()));
        assert_eq!(lines, ["a", "b"]);
        assert_eq!(status.expect("it starts").code(), Some(3));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Cmd::new("/nonexistent/program")
            .read()
            .expect_err("no such program")
            .to_string();
        assert!(error.contains("/nonexistent/program"), "{error}");
    }
}
