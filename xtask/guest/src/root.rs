//! From the initramfs to a root on the disk, with what a system has mounted.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};

/// The disk, and how long its driver may take to find it (emulated machines are slow).
const DISK: &str = "/dev/vda";
const DISK_WAIT: Duration = Duration::from_secs(20);

/// Where the disk is mounted before it becomes the root.
const NEW_ROOT: &str = "/root";

fn mount_at(
    what: &str,
    kind: &str,
    at: &str,
    flags: MsFlags,
    data: Option<&str>,
) -> anyhow::Result<()> {
    fs::create_dir_all(at).with_context(|| format!("create {at}"))?;
    mount(Some(what), at, Some(kind), flags, data)
        .with_context(|| format!("mount {what} ({kind}) on {at}"))
}

/// What modules and the search for the disk need.
pub(crate) fn early() -> anyhow::Result<()> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    mount_at("proc", "proc", "/proc", plain, None)?;
    mount_at("sysfs", "sysfs", "/sys", plain, None)?;
    mount_at("devtmpfs", "devtmpfs", "/dev", MsFlags::MS_NOSUID, None)
}

/// The kernel's command line.
pub(crate) fn command_line() -> anyhow::Result<String> {
    fs::read_to_string("/proc/cmdline").context("read /proc/cmdline")
}

/// Loads the modules that the initramfs names, in its order.
pub(crate) fn load_modules() -> anyhow::Result<()> {
    let list =
        fs::read_to_string(guest::MODULES).with_context(|| format!("read {}", guest::MODULES))?;
    for path in list.lines() {
        let file = File::open(path).with_context(|| format!("open module {path}"))?;
        match finit_module(&file, c"", ModuleInitFlags::empty()) {
            Ok(()) | Err(nix::Error::EEXIST) => {}
            Err(error) => bail!("finit_module {path}: {error}"),
        }
    }
    Ok(())
}

/// Makes the disk the root of everything. The mounts of [`early`] go with it.
pub(crate) fn switch() -> anyhow::Result<()> {
    let since = Instant::now();
    while !Path::new(DISK).exists() {
        if since.elapsed() > DISK_WAIT {
            bail!("{DISK} did not appear within {} s", DISK_WAIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    mount_at(DISK, "ext4", NEW_ROOT, MsFlags::empty(), None)?;
    let moved = |from: &str, to: &str| {
        mount(Some(from), to, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
            .with_context(|| format!("move the mount {from} to {to}"))
    };
    for dir in ["/proc", "/sys", "/dev"] {
        let to = format!("{NEW_ROOT}{dir}");
        fs::create_dir_all(&to).with_context(|| format!("create {to}"))?;
        moved(dir, &to)?;
    }
    std::env::set_current_dir(NEW_ROOT).context("chdir to the new root")?;
    moved(".", "/")?;
    nix::unistd::chroot(".").context("chroot to the new root")?;
    std::env::set_current_dir("/").context("chdir to /")
}

/// What a system has mounted beyond that. All but the kernel's own filesystems are on the disk.
pub(crate) fn late() -> anyhow::Result<()> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NODEV;
    mount_at("tmpfs", "tmpfs", "/run", plain, Some("mode=755"))?;
    mount_at(
        "tmpfs",
        "tmpfs",
        "/dev/shm",
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        None,
    )?;
    mount_at(
        "devpts",
        "devpts",
        "/dev/pts",
        MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
        Some("mode=620,ptmxmode=666"),
    )?;
    mount_at("cgroup2", "cgroup2", "/sys/fs/cgroup", plain, None)?;
    mount_at("tracefs", "tracefs", "/sys/kernel/tracing", plain, None)?;
    mount_at("bpf", "bpf", "/sys/fs/bpf", plain, None)?;
    fs::write("/proc/sys/kernel/hostname", "guest").context("write /proc/sys/kernel/hostname")
}

/// A shell on the console, for `--keep`: ends with the guest.
pub(crate) fn shell() -> anyhow::Result<()> {
    println!("a shell in the guest; `exit` powers it off");
    let mut shell = Command::new("/bin/busybox");
    shell
        .arg("sh")
        .env_clear()
        .env("PATH", guest_path())
        .env("HOME", "/root")
        .process_group(0);
    let status = shell.status().context("start /bin/busybox sh")?;
    println!("{status}");
    Ok(())
}

/// Where the guest's programs are.
fn guest_path() -> &'static str {
    "/usr/sbin:/usr/bin:/sbin:/bin"
}
