//! The host is put back: after an orderly end, after SIGKILL of the whole process group, and
//! after SIGKILL of the keeper.
//!
//! Everything happens inside a cpuset that the test makes for itself, with tasks of its own;
//! only the interrupts are the machine's, and they are compared before and after.
//!
//! This binary plays all the parts: the test, the keeper, the tool (`hold`) that isolates and
//! waits, and a bystander that has to move out of the way.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use host::{IdlePolicy, Isolation, Keeper, Wishes};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

const MOUNT: &str = "/sys/fs/cgroup/cpuset";
type Test = (&'static str, fn(&Scene));

const TESTS: [Test; 5] = [
    (
        "needs_root_needs_cpuset_v1_needs_two_cpus_an_orderly_end_puts_everything_back",
        orderly_end,
    ),
    (
        "needs_root_needs_cpuset_v1_needs_two_cpus_sigkill_of_the_process_group_puts_everything_back",
        killed_with_its_group,
    ),
    (
        "needs_root_needs_cpuset_v1_needs_two_cpus_sigkill_at_any_instant_puts_everything_back",
        killed_at_any_instant,
    ),
    (
        "needs_root_needs_cpuset_v1_needs_two_cpus_a_killed_keeper_is_replaced_by_the_parent",
        killed_keeper,
    ),
    (
        "needs_root_needs_cpuset_v1_needs_two_cpus_the_keeper_is_deaf_to_polite_signals",
        polite_signals,
    ),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some(host::keeper::SUBCOMMAND) => return host::keeper::main(),
        Some("hold") => return hold(&args[1]),
        Some("bystand") => return bystand(&args[1]),
        Some("--list") => {
            for (name, _) in TESTS {
                println!("{name}: test");
            }
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let wanted = |name: &str| {
        let mut filters = args.iter().filter(|a| !a.starts_with('-')).peekable();
        filters.peek().is_none() || filters.any(|f| name.contains(f.as_str()))
    };
    // Orphans of a killed tool come to us, so that we reap them and not whoever is process 1.
    nix::sys::prctl::set_child_subreaper(true).expect("any process may be a subreaper");
    let mut passed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        // As `begin!` does it within libtest.
        if let Some(of_libtest) = testkit::Test::begin(&format!("isolation::{name}")) {
            match Scene::set(name) {
                Ok(scene) => {
                    test(&scene);
                    reap_orphans();
                    println!("test {name} ... ok");
                }
                Err(why) => of_libtest.skip(&why),
            }
        }
        passed += 1;
    }
    // In libtest's words, for those who count: a test that skips itself has noted it, and a test
    // that fails ends the program before this.
    println!("test result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
    ExitCode::SUCCESS
}

/// Every child of ours that has a handle was waited for already, or is alive.
fn reap_orphans() {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
}

// ---- the parts

/// The tool: isolates CPU 1 within a cpuset, says so, and waits for its standard input to close.
fn hold(within: &str) -> ExitCode {
    let facts = host::observe(None);
    let wishes = Wishes {
        threads: 1,
        cpus: Some(vec![1]),
        isolate: true,
        isolate_within: Some(within.into()),
        idle: IdlePolicy::AsIs,
    };
    let decision = host::decide(&facts, &wishes).expect("CPU 1 can be used");
    let mut keeper = Keeper::start().expect("a keeper starts");
    let (isolation, changes) =
        Isolation::apply(&decision.isolate, &mut keeper).expect("the shield is made");
    // A child that joins the shield, as a trial does; it is still there when we are killed.
    let mut trial = bystander("0-1");
    isolation.join(trial.id()).expect("a trial joins");
    for change in changes {
        eprintln!(
            "    {} {}",
            change.asked,
            change.refused.unwrap_or_default()
        );
    }
    for unmoved in isolation.unmoved() {
        eprintln!("    stays: {}: {}", unmoved.what, unmoved.why);
    }
    println!("{} {}", keeper.pid(), trial.id());
    let _ = std::io::stdin().read(&mut [0]);
    trial.kill().expect("the trial is ours");
    let failed = keeper.finish();
    trial.wait().expect("the trial is ours");
    for failure in &failed {
        eprintln!("    not put back: {failure}");
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A task that was there before: confined to some CPUs, and asleep until its parent is gone.
fn bystand(cpus: &str) -> ExitCode {
    let cpus = host::cpu_list::parse(cpus).expect("a list of CPUs");
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).expect("a parent to die with");
    host::confine(&cpus).expect("these CPUs are on line");
    println!("there");
    loop {
        sleep(Duration::from_mins(1));
    }
}

fn myself() -> Command {
    Command::new(std::env::current_exe().expect("this binary has a path"))
}

fn bystander(cpus: &str) -> Child {
    let mut child = myself()
        .args(["bystand", cpus])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this binary runs");
    first_line(child.stdout.as_mut().expect("was piped"));
    child
}

fn first_line(from: &mut ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(from)
        .read_line(&mut line)
        .expect("the pipe can be read");
    line.trim().to_owned()
}

// ---- the scene

/// A cpuset with two tasks in it: one that may run anywhere, one that is pinned to CPU 1.
struct Scene {
    dir: PathBuf,
    free: Child,
    pinned: Child,
    interrupts: Vec<(String, String)>,
}

impl Scene {
    fn set(test: &str) -> Result<Self, String> {
        let mount = Path::new(MOUNT);
        let cpus = read(&mount.join("cpuset.cpus"));
        if cpus != "0-1" {
            return Err(format!("is written for CPUs 0-1, here are {cpus}"));
        }
        let dir = mount.join(format!("test-{}-{}", std::process::id(), test.len()));
        fs::create_dir(&dir).expect("root can make a cpuset");
        write(&dir.join("cpuset.cpus"), "0-1");
        write(&dir.join("cpuset.mems"), &read(&mount.join("cpuset.mems")));
        write(&dir.join("cpuset.cpu_exclusive"), "1");
        // They join first and are pinned afterwards: joining resets the affinity.
        let scene = Self {
            free: bystander("0-1"),
            pinned: bystander("0-1"),
            dir,
            interrupts: interrupts(),
        };
        write(&scene.dir.join("tasks"), &scene.free.id().to_string());
        write(&scene.dir.join("tasks"), &scene.pinned.id().to_string());
        let pinned = Command::new("taskset")
            .args(["-pc", "1", &scene.pinned.id().to_string()])
            .output();
        assert!(pinned.expect("taskset of util-linux").status.success());
        Ok(scene)
    }

    fn name(&self) -> String {
        self.dir
            .file_name()
            .expect("it has a name")
            .to_string_lossy()
            .into_owned()
    }

    /// The tool, in a process group of its own.
    fn command(&self) -> Command {
        let mut command = myself();
        command
            .args(["hold", &self.name()])
            .stdin(Stdio::piped())
            .process_group(0);
        command
    }

    fn isolate(&self) -> Tool {
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary runs");
        let line = first_line(child.stdout.as_mut().expect("was piped"));
        let (keeper, trial) = line.split_once(' ').expect("the tool isolates");
        let tool = Tool {
            keeper: keeper.parse().expect("a pid"),
            trial: trial.parse().expect("a pid"),
            child,
        };
        self.assert_isolated(&tool);
        tool
    }

    fn sets(&self) -> usize {
        fs::read_dir(&self.dir)
            .expect("is there")
            .flatten()
            .filter(|e| e.path().is_dir())
            .count()
    }

    fn assert_isolated(&self, tool: &Tool) {
        assert_eq!(self.sets(), 2);
        assert_eq!(affinity(self.free.id()), "0");
        assert_eq!(affinity(self.pinned.id()), "0");
        assert_eq!(affinity(tool.trial as u32), "1");
        assert!(cpuset_of(self.free.id()).ends_with("-rest"));
        assert!(!cpuset_of(tool.trial as u32).ends_with("-rest"));
        let moved =
            |(a, b): &(&(String, String), &(String, String))| a.1.contains('1') && b.1 == "0";
        let now = interrupts();
        assert!(
            self.interrupts.iter().zip(&now).any(|pair| moved(&pair)),
            "no interrupt moved"
        );
    }

    /// Waits for the keeper's work to be done, and compares.
    fn assert_put_back(&self, tool: &Tool) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while is_running(tool.keeper) && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
        assert!(!is_running(tool.keeper), "the keeper has exited");
        assert!(!is_running(tool.trial), "the trial is gone");
        self.assert_as_before();
    }

    fn assert_as_before(&self) {
        assert_eq!(self.sets(), 0, "no cpuset is left");
        let home = format!("/{}", self.name());
        assert_eq!(
            (cpuset_of(self.free.id()), cpuset_of(self.pinned.id())),
            (home.clone(), home)
        );
        assert_eq!(
            (affinity(self.free.id()), affinity(self.pinned.id())),
            ("0-1".into(), "1".into())
        );
        assert_eq!(
            interrupts(),
            self.interrupts,
            "interrupts have their affinities back"
        );
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for child in [&mut self.free, &mut self.pinned] {
            let _ = child.kill();
            let _ = child.wait();
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(&self.dir).is_err() && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
    }
}

struct Tool {
    child: Child,
    keeper: i32,
    trial: i32,
}

impl Tool {
    fn end(&mut self) -> bool {
        drop(self.child.stdin.take());
        self.child.wait().expect("it is our child").success()
    }
}

// ---- the stories

fn orderly_end(scene: &Scene) {
    let mut tool = scene.isolate();
    assert!(tool.end(), "nothing failed to be put back");
    scene.assert_put_back(&tool);
}

fn killed_with_its_group(scene: &Scene) {
    let mut tool = scene.isolate();
    killpg(Pid::from_raw(tool.child.id() as i32), Signal::SIGKILL).expect("it is our group");
    tool.child.wait().expect("it is our child");
    scene.assert_put_back(&tool);
}

/// From before the keeper is started until after the shield is up.
fn killed_at_any_instant(scene: &Scene) {
    for delay_ms in (0..60).step_by(3) {
        let mut tool = scene
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this binary runs");
        sleep(Duration::from_millis(delay_ms));
        killpg(Pid::from_raw(tool.id() as i32), Signal::SIGKILL).expect("it is our group");
        tool.wait().expect("it is our child");
        let deadline = Instant::now() + Duration::from_secs(15);
        while keepers() > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
        assert_eq!(keepers(), 0, "after {delay_ms} ms: the keeper has exited");
        scene.assert_as_before();
    }
}

fn killed_keeper(scene: &Scene) {
    let mut tool = scene.isolate();
    kill(Pid::from_raw(tool.keeper), Signal::SIGKILL).expect("the keeper is there");
    assert!(tool.end(), "the parent undid it from its own copy");
    scene.assert_put_back(&tool);
}

fn polite_signals(scene: &Scene) {
    let mut tool = scene.isolate();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGPIPE,
    ] {
        kill(Pid::from_raw(tool.keeper), signal).expect("the keeper is there");
    }
    sleep(Duration::from_millis(50));
    scene.assert_isolated(&tool);
    assert!(tool.end());
    scene.assert_put_back(&tool);
}

// ---- what the kernel says

fn read(path: &Path) -> String {
    fs::read_to_string(path)
        .map(|t| t.trim().to_owned())
        .unwrap_or_default()
}

fn write(path: &Path, value: &str) {
    let file = fs::OpenOptions::new().write(true).open(path);
    file.and_then(|mut f| f.write_all(value.as_bytes()))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn affinity(pid: u32) -> String {
    let status = read(&PathBuf::from(format!("/proc/{pid}/status")));
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("Cpus_allowed_list:"));
    line.unwrap_or_default().trim().to_owned()
}

fn cpuset_of(pid: u32) -> String {
    read(&PathBuf::from(format!("/proc/{pid}/cpuset")))
}

/// A zombie has ended: whoever adopted it may take its time to reap it.
fn is_running(pid: i32) -> bool {
    let stat = read(&PathBuf::from(format!("/proc/{pid}/stat")));
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
}

/// Number and affinity of every interrupt.
fn interrupts() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = fs::read_dir("/proc/irq")
        .expect("/proc is mounted")
        .flatten()
        .filter(|e| e.path().join("smp_affinity_list").exists())
        .map(|e| {
            (
                e.file_name().to_string_lossy().into_owned(),
                read(&e.path().join("smp_affinity_list")),
            )
        })
        .collect();
    all.sort();
    all
}

/// Keepers of this binary that have not exited.
fn keepers() -> usize {
    let me = std::env::current_exe().expect("this binary has a path");
    let is_keeper = |pid: i32| {
        let dir = PathBuf::from(format!("/proc/{pid}"));
        fs::read_link(dir.join("exe")).is_ok_and(|exe| exe == me)
            && read(&dir.join("cmdline")).split('\0').nth(1) == Some(host::keeper::SUBCOMMAND)
            && is_running(pid)
    };
    let names = fs::read_dir("/proc")
        .expect("/proc is mounted")
        .flatten()
        .map(|e| e.file_name());
    names
        .filter_map(|n| n.to_str()?.parse().ok())
        .filter(|pid| is_keeper(*pid))
        .count()
}
