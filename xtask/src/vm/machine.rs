//! The emulated machine, as a command line.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::shell::Cmd;
use crate::vm::emulator::Emulator;

/// How the guest's processor is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// The processor's own virtualization.
    Kvm,
    /// Emulation.
    Tcg,
}

impl Accelerator {
    /// As qemu and the reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

/// One guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) emulator: Emulator,
    pub(crate) accelerator: Accelerator,
    pub(crate) image: PathBuf,
    pub(crate) initramfs: PathBuf,
    pub(crate) disk: PathBuf,
    /// Its working directory: the monitor's socket is made there, since the path of a socket
    /// has at most 107 bytes (unix(7)).
    pub(crate) folder: PathBuf,
}

/// What the monitor says when it waits for a command.
const PROMPT: &str = "(qemu)";

/// Memory, MiB: the initramfs, a page cache of some hundred MiB, the probes' ring.
const MEMORY_MIB: &str = "2048";

/// What the kernel is told. `loglevel=5`: its warnings too are on the console. `panic=-1` reboots at once, which `-no-reboot` turns into an end;
/// an oops is a failure, not a thing to go on after. A non-maskable interrupt comes from nobody
/// but the host, which wants to know where a silent guest is.
const KERNEL_OPTIONS: &str = "console=ttyS0 loglevel=5 panic=-1 oops=panic softlockup_panic=1 hung_task_panic=1 \
     sysctl.kernel.panic_on_rcu_stall=1 unknown_nmi_panic";

impl Machine {
    /// The command that runs the plan: the console goes to a file, events to standard output.
    pub(crate) fn tested(&self, console: &Path) -> Cmd {
        // It ends with us, however we end: nobody else would.
        let command = Cmd::new("setpriv").args(["--pdeathsig", "KILL"]);
        self.described(command, KERNEL_OPTIONS)
            .args(["-display", "none"])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .args(["-serial", "stdio", "-monitor"])
            .arg(format!("unix:{},server=on,wait=off", self.monitor()))
            .dir(&self.folder)
    }

    /// The socket on which the machine takes commands, in its folder: each disk is one machine's.
    fn monitor(&self) -> String {
        let disk = self.disk.file_name().unwrap_or_default();
        format!("monitor-{}", disk.to_string_lossy())
    }

    /// Makes a guest that has fallen silent say where it is: a non-maskable interrupt, at which
    /// its kernel panics with a trace.
    pub(crate) fn shake(&self) -> std::io::Result<()> {
        let here = std::env::current_dir()?;
        let socket = self.folder.join(self.monitor());
        // The shorter of the two ways to say it.
        let relative = socket.strip_prefix(&here).unwrap_or(&socket);
        let mut monitor = UnixStream::connect(relative)?;
        monitor.write_all(b"nmi\n")?;
        // It reads on only as long as somebody is there: its prompt comes back when it is done.
        monitor.set_read_timeout(Some(Duration::from_secs(2)))?;
        let mut said = Vec::new();
        let mut byte = [0];
        while String::from_utf8_lossy(&said).matches(PROMPT).count() < 2 {
            match monitor.read(&mut byte) {
                Ok(1) => said.push(byte[0]),
                Ok(_) => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// The command for a person: a shell on the console.
    pub(crate) fn shell(&self) -> Cmd {
        let options = format!("{KERNEL_OPTIONS} {}", guest::SHELL_OPTION);
        self.described(Cmd::new("env"), &options)
            .args(["-display", "none", "-serial", "mon:stdio"])
    }

    /// The machine, run by this command.
    fn described(&self, command: Cmd, kernel_options: &str) -> Cmd {
        let (accelerator, cpu) = match self.accelerator {
            Accelerator::Kvm => ("kvm", "host"),
            // `max`: every feature that can be emulated. One thread for both processors: with one
            // each, code that the kernel changes under a running processor (a static key, by way
            // of int3: arch/x86/kernel/alternative.c) can be met half changed, or never again
            // looked at. Probes change static keys all the time, and 6.1 and 6.12 both died of it
            // within minutes under QEMU 7.2 ("Oops: int3", lock-ups in text_poke_bp_batch).
            Accelerator::Tcg => ("tcg,thread=single", "max"),
        };
        self.emulator
            .after(command)
            .args(["-no-user-config", "-nodefaults", "-no-reboot"])
            .args([
                "-accel",
                accelerator,
                "-cpu",
                cpu,
                "-smp",
                "2",
                "-m",
                MEMORY_MIB,
            ])
            .arg("-kernel")
            .arg(&self.image)
            .arg("-initrd")
            .arg(&self.initramfs)
            .args(["-append", kernel_options])
            .arg("-drive")
            // Nothing on this disk outlives the guest: a flush need not reach ours.
            .arg(format!(
                "file={},if=none,id=disk,format=raw,cache=unsafe",
                self.disk.display()
            ))
            .args(["-device", "virtio-blk-pci,drive=disk"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_has_two_processors_a_disk_no_network_and_does_not_outlive_us() {
        let machine = Machine {
            emulator: Emulator::System,
            accelerator: Accelerator::Tcg,
            image: "/k/vmlinuz".into(),
            initramfs: "/g/initramfs".into(),
            disk: "/g/disk.img".into(),
            folder: "/g".into(),
        };
        let line = machine.tested(Path::new("/g/console.log")).line();
        for part in [
            "setpriv --pdeathsig KILL qemu-system-x86_64",
            "-nodefaults",
            "-no-reboot",
            "-smp 2",
            "-cpu max",
            "virtio-blk-pci",
            "file:/g/console.log -serial stdio",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains("net"), "{line}");
        assert!(machine.shell().line().contains(guest::SHELL_OPTION));
    }
}
