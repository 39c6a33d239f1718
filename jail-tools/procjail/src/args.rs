//! The command line. Its words are read by a small parser, not by the one that the rest of the
//! workspace uses: building that one's tree of options took 0.23 ms of a start that takes 2.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};
use procjail::{Capabilities, InitOptions, Mode, Protection, Spec, parse_rewrite, parse_rlimit};

use crate::help;
use crate::values::{
    bind, bytes, cpus, descriptor, id_map, io, offsets, seconds, signal, tmpfs, user, variable,
    within,
};

/// What is to be done.
pub(crate) enum Verb {
    /// Jail a command.
    Run(Box<Spec>, Output),
    /// Be its init; exit codes that become 0.
    Init(InitOptions, Vec<i32>),
    /// Clean up after crashes.
    Gc {
        /// Only say what would be done.
        dry_run: bool,
        /// As JSON.
        json: bool,
    },
    /// Say this.
    Help(String),
}

/// Where the account goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// Events, a line of JSON each.
    pub(crate) status_fd: Option<i32>,
    /// The report on standard error.
    pub(crate) json: bool,
}

/// What is wrong with the words.
pub(crate) type Wrong = String;

/// Reads the words, the first of which is our own name.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Verb, Wrong> {
    let mut parser = Parser::from_iter(words);
    match parser.next().map_err(shown)? {
        Some(Arg::Value(verb)) => match verb.to_str() {
            Some("run") => run(parser),
            Some("init") => init(parser),
            Some("gc") => gc(parser),
            Some("help") => Ok(Verb::Help(help::all())),
            _ => Err(format!(
                "`{}` is no verb of procjail; there are run, init and gc",
                verb.display()
            )),
        },
        Some(Arg::Short('h') | Arg::Long("help")) => Ok(Verb::Help(help::all())),
        Some(Arg::Short('V') | Arg::Long("version")) => Ok(Verb::Help(format!(
            "procjail {}",
            env!("CARGO_PKG_VERSION")
        ))),
        Some(other) => Err(shown(other.unexpected())),
        None => Err(format!(
            "a verb is missing: run, init or gc\n\n{}",
            help::all()
        )),
    }
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn shown(error: lexopt::Error) -> Wrong {
    error.to_string()
}

/// The value of the option that was just read.
fn value<T>(
    parser: &mut Parser,
    option: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Wrong> {
    let word = text(parser)?;
    read(&word).map_err(|why| format!("{option}: {why}"))
}

/// The same, as a list with commas.
fn values<T>(
    parser: &mut Parser,
    option: &str,
    into: &mut Vec<T>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<(), Wrong> {
    for word in text(parser)?.split(',') {
        into.push(read(word).map_err(|why| format!("{option}: {why}"))?);
    }
    Ok(())
}

fn text(parser: &mut Parser) -> Result<String, Wrong> {
    parser.value().and_then(ValueExt::string).map_err(shown)
}

/// Names of namespaces for `--unshare`.
#[derive(Clone, Copy)]
enum Namespace {
    Net,
    User,
    Cgroup,
    Time,
}

fn namespace(word: &str) -> Result<Namespace, String> {
    match word {
        "net" => Ok(Namespace::Net),
        "user" => Ok(Namespace::User),
        "cgroup" => Ok(Namespace::Cgroup),
        "time" => Ok(Namespace::Time),
        _ => Err(format!(
            "`{word}` is none of net, user, cgroup, time (pid, mount, uts and ipc are always there)"
        )),
    }
}

fn run(mut parser: Parser) -> Result<Verb, Wrong> {
    let (mut spec, mut output) = (Spec::new(Vec::new()), Output::default());
    let mut dropped = Capabilities::NONE;
    let (mut init, mut as_pid1, mut group) = (false, false, false);
    while let Some(arg) = parser.next().map_err(shown)? {
        let Arg::Long(name) = arg else {
            match arg {
                Arg::Short('g') => group = true,
                Arg::Short('h') => return Ok(Verb::Help(help::run())),
                Arg::Value(first) => {
                    spec.command = rest(first, &mut parser)?;
                    break;
                }
                other => return Err(shown(other.unexpected())),
            }
            continue;
        };
        let name = name.to_owned();
        match name.as_str() {
            "init" => init = true,
            "as-pid1" => as_pid1 = true,
            "group" => group = true,
            "help" => return Ok(Verb::Help(help::run())),
            "cap-drop" => {
                let mut sets = Vec::new();
                values(&mut parser, "--cap-drop", &mut sets, Capabilities::named)?;
                dropped = sets.into_iter().fold(dropped, Capabilities::with);
            }
            _ => {
                let p = &mut parser;
                let known = namespaces(&name, p, &mut spec)?
                    || files(&name, p, &mut spec)?
                    || limits(&name, p, &mut spec)?
                    || protection(&name, p, &mut spec)?
                    || signals(&name, p, &mut spec)?
                    || report(&name, p, &mut output)?;
                if !known {
                    return Err(format!(
                        "procjail run has no option `--{name}` (procjail run --help)"
                    ));
                }
            }
        }
    }
    if as_pid1 && (init || group) {
        return Err(
            "--as-pid1 goes with neither --init nor --group: there is no init of ours then".into(),
        );
    }
    spec.mode = if as_pid1 {
        Mode::AsPid1
    } else {
        Mode::Init { group }
    };
    spec.hardening.capabilities = spec.hardening.capabilities.without(dropped);
    if spec.command.is_empty() {
        return Err("no command: procjail run [OPTIONS] -- COMMAND".into());
    }
    Ok(Verb::Run(Box::new(spec), output))
}

/// The command: its first word, and all after it as it stands.
fn rest(first: OsString, parser: &mut Parser) -> Result<Vec<OsString>, Wrong> {
    let mut words = vec![first];
    words.extend(parser.raw_args().map_err(shown)?);
    Ok(words)
}

fn namespaces(name: &str, p: &mut Parser, spec: &mut Spec) -> Result<bool, Wrong> {
    match name {
        "unshare" => {
            let mut asked = Vec::new();
            values(p, "--unshare", &mut asked, namespace)?;
            for namespace in asked {
                match namespace {
                    Namespace::Net => spec.unshare.net = true,
                    Namespace::User => spec.unshare.user = true,
                    Namespace::Cgroup => spec.unshare.cgroup = true,
                    Namespace::Time => drop(spec.unshare.time.get_or_insert_default()),
                }
            }
        }
        "time-offsets" => spec.unshare.time = Some(value(p, "--time-offsets", offsets)?),
        "uid-map" => spec.maps.uids.push(value(p, "--uid-map", id_map)?),
        "gid-map" => spec.maps.gids.push(value(p, "--gid-map", id_map)?),
        "user" => spec.user = Some(value(p, "--user", user)?),
        "hostname" => spec.files.hostname = Some(p.value().map_err(shown)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn files(name: &str, p: &mut Parser, spec: &mut Spec) -> Result<bool, Wrong> {
    match name {
        "rootfs" => spec.files.rootfs = Some(p.value().map_err(shown)?.into()),
        "ro" => spec.files.read_only.push(p.value().map_err(shown)?.into()),
        "bind" => spec
            .files
            .binds
            .push(bind(&p.value().map_err(shown)?, false)?),
        "ro-bind" => spec
            .files
            .binds
            .push(bind(&p.value().map_err(shown)?, true)?),
        "device" => spec.files.devices.push(p.value().map_err(shown)?.into()),
        "tmpfs" => spec.files.tmpfs.push(value(p, "--tmpfs", tmpfs)?),
        "chdir" => spec.files.workdir = Some(p.value().map_err(shown)?.into()),
        _ => return Ok(false),
    }
    Ok(true)
}

fn limits(name: &str, p: &mut Parser, spec: &mut Spec) -> Result<bool, Wrong> {
    let limits = &mut spec.limits;
    match name {
        "memory" => limits.memory_bytes = Some(value(p, "--memory", bytes)?),
        "swap" => limits.swap_bytes = Some(value(p, "--swap", bytes)?),
        "pids" => limits.pids = Some(value(p, "--pids", within(1, i32::MAX as u64))?),
        "cpus" => limits.cpus = Some(value(p, "--cpus", cpus)?),
        "cpu-weight" => limits.cpu_weight = Some(value(p, "--cpu-weight", within(1, 10_000))?),
        "cpuset" => limits.cpuset = Some(text(p)?),
        "io" => limits.io.push(value(p, "--io", io)?),
        "cgroup" => limits.cgroup = true,
        "cgroup-parent" => limits.parent = Some(p.value().map_err(shown)?.into()),
        "rlimit" => spec.rlimits.push(value(p, "--rlimit", parse_rlimit)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn protection(name: &str, p: &mut Parser, spec: &mut Spec) -> Result<bool, Wrong> {
    let named = |word: &str| Ok(OsString::from(word));
    match name {
        "without" => values(
            p,
            "--without",
            &mut spec.hardening.without,
            Protection::named,
        )?,
        "cap-add" => {
            let mut sets = Vec::new();
            values(p, "--cap-add", &mut sets, Capabilities::named)?;
            let added = &mut spec.hardening.added;
            *added = sets.into_iter().fold(*added, Capabilities::with);
        }
        "seccomp-allow" => {
            values(
                p,
                "--seccomp-allow",
                &mut spec.hardening.seccomp_allow,
                |w| Ok(w.to_owned()),
            )?;
        }
        "env" => spec
            .environment
            .set
            .push(variable(&p.value().map_err(shown)?)?),
        "keep-env" => values(p, "--keep-env", &mut spec.environment.keep, named)?,
        "pass-fd" => spec.pass_fds.push(value(p, "--pass-fd", descriptor)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn signals(name: &str, p: &mut Parser, spec: &mut Spec) -> Result<bool, Wrong> {
    match name {
        "stop-signal" => spec.signals.stop = value(p, "--stop-signal", signal)?,
        "grace" => spec.signals.grace = Some(value(p, "--grace", seconds)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn report(name: &str, p: &mut Parser, output: &mut Output) -> Result<bool, Wrong> {
    match name {
        "status-fd" => output.status_fd = Some(value(p, "--status-fd", descriptor)?),
        "json" => output.json = true,
        _ => return Ok(false),
    }
    Ok(true)
}

fn init(mut parser: Parser) -> Result<Verb, Wrong> {
    let (mut options, mut remapped) = (InitOptions::default(), Vec::new());
    let p = &mut parser;
    while let Some(arg) = p.next().map_err(shown)? {
        match arg {
            Arg::Short('g') | Arg::Long("group") => options.group = true,
            Arg::Short('s') | Arg::Long("subreaper") => options.subreaper = true,
            Arg::Long("setsid") => options.session = true,
            Arg::Long("rewrite") => {
                let (from, to) = value(p, "--rewrite", parse_rewrite)?;
                options.rewrite.set(from, to);
            }
            Arg::Short('p') | Arg::Long("parent-death") => {
                options.parent_death = Some(value(p, "--parent-death", signal)?);
            }
            Arg::Short('e') | Arg::Long("remap-exit") => {
                remapped.push(value(p, "--remap-exit", within(0, 255))? as i32);
            }
            Arg::Short('h') | Arg::Long("help") => return Ok(Verb::Help(help::init())),
            Arg::Value(first) => {
                options.command = rest(first, p)?;
                break;
            }
            other => return Err(shown(other.unexpected()) + " (procjail init --help)"),
        }
    }
    if options.command.is_empty() {
        return Err("no command: procjail init [OPTIONS] -- COMMAND".into());
    }
    Ok(Verb::Init(options, remapped))
}

fn gc(mut parser: Parser) -> Result<Verb, Wrong> {
    let (mut dry_run, mut json) = (false, false);
    while let Some(arg) = parser.next().map_err(shown)? {
        match arg {
            Arg::Long("dry-run") => dry_run = true,
            Arg::Long("json") => json = true,
            Arg::Short('h') | Arg::Long("help") => return Ok(Verb::Help(help::gc())),
            other => return Err(shown(other.unexpected())),
        }
    }
    Ok(Verb::Gc { dry_run, json })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Verb, Wrong> {
        let words = std::iter::once("procjail").chain(line.split(' '));
        parse(words.map(OsString::from))
    }

    fn spec(line: &str) -> Spec {
        match parsed(line) {
            Ok(Verb::Run(spec, _)) => *spec,
            Ok(_) => panic!("{line}: not a run"),
            Err(why) => panic!("{line}: {why}"),
        }
    }

    #[test]
    fn what_follows_the_command_is_the_commands() {
        let spec = spec("run --memory 64M --cpus=0.5 -- ls --json -x");
        assert_eq!(spec.command, ["ls", "--json", "-x"]);
        assert_eq!(
            (spec.limits.memory_bytes, spec.limits.cpus),
            (Some(64 << 20), Some(0.5))
        );
        let Ok(Verb::Init(options, _)) = parsed("init -g --rewrite TERM:INT ls -g") else {
            panic!("not an init");
        };
        assert!(options.group && options.command == ["ls", "-g"]);
    }

    #[test]
    fn lists_add_up_and_drops_win() {
        let spec = spec(
            "run --without seccomp,env --without caps --cap-add net_raw --cap-drop chown,kill -- x",
        );
        assert_eq!(
            spec.hardening.without,
            [Protection::Seccomp, Protection::Env, Protection::Caps]
        );
        assert_eq!(
            spec.hardening.capabilities.to_string(),
            "dac_override,fowner,fsetid,setgid,setuid,net_bind_service"
        );
        assert_eq!(spec.hardening.added.to_string(), "net_raw");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_option() {
        for (line, word) in [
            ("", "verb"),
            ("walk", "walk"),
            ("run", "no command"),
            ("run --memory 1Q -- x", "--memory"),
            ("run --pids 0 -- x", "--pids"),
            ("run --cpus 0 -- x", "--cpus"),
            ("run --fly -- x", "--fly"),
            ("run --unshare pid -- x", "pid"),
            ("run --without nothing -- x", "nothing"),
            ("run --as-pid1 --group -- x", "--as-pid1"),
            ("run --uid-map 0:1 -- x", "--uid-map"),
            ("run --io 8:0:fast=1 -- x", "--io"),
            ("run --grace -1 -- x", "--grace"),
            ("run --env A -- x", "--env"),
            ("run --memory", "--memory"),
            ("init --rewrite TERM -- x", "--rewrite"),
            ("init -e 300 x", "--remap-exit"),
            ("gc --all", "--all"),
        ] {
            match parsed(line) {
                Err(why) => assert!(why.contains(word), "{line}: {why}"),
                Ok(_) => panic!("{line} was taken"),
            }
        }
    }

    #[test]
    fn every_option_is_in_the_help_and_every_option_of_the_help_is_read() {
        for name in help::options_of_run() {
            let spec = format!("run --{name} 1 -- x");
            if let Err(why) = parsed(&spec) {
                assert!(!why.contains("has no option"), "{why}");
            }
        }
    }
}
