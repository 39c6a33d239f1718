//! What lies below the file under test: filesystem, block device, its queue and interrupts.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};
use record::Fact;
use record::host_facts::{DeviceInterrupt, Storage};

use crate::cpu_list;
use crate::mountinfo::{self, Mount};
use crate::tree::{Missing, Tree, bracketed, flag, from_result};

const MOUNTS: &str = "/proc/self/mountinfo";

/// The storage below `path`, which must exist.
pub(super) fn observe(tree: &Tree, path: &Path) -> Storage {
    let shown = path.display().to_string();
    let stat =
        std::fs::canonicalize(path).and_then(|real| Ok((std::fs::metadata(&real)?.dev(), real)));
    match stat {
        Ok((dev, real)) => {
            let device = (major(dev) as u32, minor(dev) as u32);
            let mut storage = below(tree, shown, &real.to_string_lossy(), device);
            if storage.filesystem.value().is_none() {
                storage.filesystem = filesystem_by_magic(&real);
            }
            storage
        }
        Err(error) => unknown(
            shown,
            &Missing::from_io("stat", &path.display().to_string(), &error),
        ),
    }
}

fn unknown(path: String, why: &Missing) -> Storage {
    Storage {
        path,
        filesystem: why.fact(),
        mount_point: why.fact(),
        device: why.fact(),
        scheduler: why.fact(),
        rotational: why.fact(),
        read_ahead_kib: why.fact(),
        logical_block_bytes: why.fact(),
        interrupts: why.fact(),
    }
}

fn below(tree: &Tree, shown: String, real: &str, device: (u32, u32)) -> Storage {
    let mount = tree.text(MOUNTS).and_then(|text| {
        let mounts = mountinfo::parse(&text);
        mountinfo::holding(&mounts, real, device)
            .cloned()
            .ok_or_else(|| Missing::Absent(format!("{MOUNTS} has no mount that holds {real}")))
    });
    let disk = disk(tree, device, mount.as_ref().ok());
    let mut storage = match &disk {
        Ok(dir) => with_queue(tree, shown, dir),
        Err(missing) => unknown(shown, missing),
    };
    let (filesystem, mount_point) = match mount {
        Ok(m) => (
            Fact::known(m.filesystem, MOUNTS),
            Fact::known(m.point, MOUNTS),
        ),
        Err(missing) => (missing.fact(), missing.fact()),
    };
    storage.filesystem = filesystem;
    storage.mount_point = mount_point;
    storage
}

/// The sysfs directory of the whole disk that a filesystem is on.
fn disk(tree: &Tree, device: (u32, u32), mount: Option<&Mount>) -> Result<String, Missing> {
    let mut device = device;
    if device.0 == 0 {
        // Major 0 is an anonymous device: no disk of its own (tmpfs, overlay, network), or, as
        // with btrfs, a disk that only the mount's source names.
        let source = mount
            .map(|m| m.source.as_str())
            .filter(|s| s.starts_with("/dev/"));
        let what = mount.map_or("filesystem", |m| m.filesystem.as_str());
        let source = source.ok_or_else(|| {
            Missing::Absent(format!(
                "{what} is on anonymous device {}:{}: no one block device",
                device.0, device.1
            ))
        })?;
        let node = tree.device_of_node(source)?;
        device = (major(node) as u32, minor(node) as u32);
    }
    let dir = tree.resolve(&format!("/sys/dev/block/{}:{}", device.0, device.1))?;
    // A partition's directory lies inside its disk's.
    match dir.rsplit_once('/') {
        Some((disk, _)) if tree.exists(&format!("{dir}/partition")) => Ok(disk.to_owned()),
        _ => Ok(dir),
    }
}

fn with_queue(tree: &Tree, path: String, disk: &str) -> Storage {
    let queue = |file: &str| format!("{disk}/queue/{file}");
    let number = |file: &str| tree.fact(&queue(file), "a number", |t| t.parse().ok());
    Storage {
        path,
        filesystem: Fact::unavailable(""),
        mount_point: Fact::unavailable(""),
        device: Fact::known(last_name(disk).to_owned(), disk),
        // A device without a choice of schedulers shows a bare `none`.
        scheduler: tree.fact(&queue("scheduler"), "a scheduler", |t| {
            bracketed(t).or_else(|| (!t.is_empty() && !t.contains(' ')).then(|| t.to_owned()))
        }),
        rotational: tree.fact(&queue("rotational"), "0 or 1", flag),
        read_ahead_kib: number("read_ahead_kb"),
        logical_block_bytes: number("logical_block_size"),
        interrupts: from_result(interrupts(tree, disk), "/proc/interrupts"),
    }
}

/// The interrupts of a disk, or of the disks that it is made of (device mapper, RAID).
fn interrupts(tree: &Tree, disk: &str) -> Result<Vec<DeviceInterrupt>, Missing> {
    let table = parse_interrupts(&tree.text("/proc/interrupts")?);
    let mut found: Vec<DeviceInterrupt> = Vec::new();
    for leaf in leaves(tree, disk, 8) {
        let numbers = msi_numbers(tree, &leaf);
        for (irq, name) in &table {
            let ours = match &numbers {
                Some(numbers) => numbers.contains(irq),
                None => leaf.split('/').any(|part| is_named_after(name, part)),
            };
            if ours && found.iter().all(|f| f.irq != *irq) {
                found.push(DeviceInterrupt {
                    irq: *irq,
                    name: name.clone(),
                    cpus: delivered_to(tree, *irq)?,
                });
            }
        }
    }
    if found.is_empty() {
        return Err(Missing::Absent(format!(
            "/proc/interrupts names no interrupt of {disk}"
        )));
    }
    Ok(found)
}

/// Disks without disks below them. `depth` ends a chain that no sane machine has.
fn leaves(tree: &Tree, disk: &str, depth: u32) -> Vec<String> {
    let slaves = tree.names(&format!("{disk}/slaves")).unwrap_or_default();
    if slaves.is_empty() || depth == 0 {
        return vec![disk.to_owned()];
    }
    let below = slaves
        .iter()
        .filter_map(|s| tree.resolve(&format!("{disk}/slaves/{s}")).ok());
    below.flat_map(|d| leaves(tree, &d, depth - 1)).collect()
}

/// Interrupt numbers that the nearest PCI function above the disk has: the exact answer, where
/// the bus gives one.
fn msi_numbers(tree: &Tree, disk: &str) -> Option<Vec<u32>> {
    let mut dir = disk;
    while let Some((parent, _)) = dir.rsplit_once('/') {
        dir = parent;
        if let Ok(names) = tree.names(&format!("{dir}/msi_irqs")) {
            return Some(names.iter().filter_map(|n| n.parse().ok()).collect());
        }
    }
    None
}

/// Drivers name interrupts after the device: `virtio1-req.0`, `nvme0q3`, `mmc0`.
fn is_named_after(interrupt: &str, device: &str) -> bool {
    let has_number = device.ends_with(|c: char| c.is_ascii_digit());
    let rest = interrupt.strip_prefix(device);
    has_number && rest.is_some_and(|r| r.is_empty() || r.starts_with(['-', '.', 'q', ':']))
}

/// Number and name of every numbered line of /proc/interrupts.
fn parse_interrupts(text: &str) -> Vec<(u32, String)> {
    let numbered = text.lines().filter_map(|line| {
        let (number, rest) = line.split_once(':')?;
        Some((
            number.trim().parse().ok()?,
            rest.split_whitespace().next_back()?.to_owned(),
        ))
    });
    numbered.collect()
}

/// CPUs that an interrupt goes to: effective, or where the chip does not tell, allowed.
fn delivered_to(tree: &Tree, irq: u32) -> Result<Vec<u32>, Missing> {
    let dir = format!("/proc/irq/{irq}");
    let list = tree
        .text(&format!("{dir}/effective_affinity_list"))
        .ok()
        .filter(|t| !t.is_empty())
        .map_or_else(|| tree.text(&format!("{dir}/smp_affinity_list")), Ok)?;
    cpu_list::parse(&list)
        .ok_or_else(|| Missing::CouldNotTell(format!("{dir}: affinity reads {list:?}")))
}

fn last_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The filesystem's magic number, where /proc cannot be read. Numbers from statfs(2).
fn filesystem_by_magic(path: &Path) -> Fact<String> {
    const NAMES: [(i64, &str); 6] = [
        (0xef53, "ext2/ext3/ext4"),
        (0x0102_1994, "tmpfs"),
        (0x5846_5342, "xfs"),
        (0x9123_683e, "btrfs"),
        (0x794c_7630, "overlay"),
        (0x6969, "nfs"),
    ];
    match nix::sys::statfs::statfs(path) {
        Ok(fs) => {
            // The type of f_type differs between targets and C libraries.
            #[allow(clippy::unnecessary_cast)]
            let magic = fs.filesystem_type().0 as i64;
            let name = NAMES.iter().find(|(m, _)| *m == magic);
            Fact::known(
                name.map_or_else(|| format!("magic {magic:#x}"), |(_, n)| (*n).to_owned()),
                "statfs",
            )
        }
        Err(errno) => Missing::from_io("statfs", &path.display().to_string(), &errno.into()).fact(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::fake::Fake;

    const DISK: &str = "/sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda";
    const INTERRUPTS: &str = "           CPU0       CPU1\n\
        \x2024:          1          0  IO-APIC   5-edge      ACPI:Ged\n\
        \x2035:          0          1 PCI-MSIX-0000:00:02.0   0-edge      virtio1-config\n\
        \x2036:          0      72538 PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0\n\
        \x2040:          0          0 PCI-MSIX-0000:00:04.0   0-edge      virtio10-req.0\n\
        NMI:          0          0   Non-maskable interrupts\n";

    fn machine() -> Fake {
        let fake = Fake::with(&[
            (
                MOUNTS,
                "27 1 254:1 / / rw - ext4 /dev/vda1 rw\n30 27 0:25 / /tmp rw - tmpfs tmpfs rw\n\
                 31 27 0:50 / /pool rw - btrfs /dev/nowhere rw\n",
            ),
            ("/proc/interrupts", INTERRUPTS),
            ("/proc/irq/35/effective_affinity_list", "1\n"),
            ("/proc/irq/36/effective_affinity_list", "\n"),
            ("/proc/irq/36/smp_affinity_list", "0-1\n"),
            (
                &format!("{DISK}/queue/scheduler"),
                "none [mq-deadline] kyber\n",
            ),
            (&format!("{DISK}/queue/rotational"), "1\n"),
            (&format!("{DISK}/queue/read_ahead_kb"), "8192\n"),
            (&format!("{DISK}/queue/logical_block_size"), "512\n"),
            (&format!("{DISK}/vda1/partition"), "1\n"),
        ]);
        fake.link("/sys/dev/block/254:1", &format!("../../..{DISK}/vda1"));
        fake
    }

    #[test]
    fn a_partition_leads_to_its_disk_and_the_disk_to_its_interrupts() {
        let storage = below(&machine().tree(), "x".into(), "/home/x", (254, 1));
        assert_eq!(storage.filesystem.value().unwrap(), "ext4");
        assert_eq!(storage.mount_point.value().unwrap(), "/");
        assert_eq!(storage.device.value().unwrap(), "vda");
        assert_eq!(storage.scheduler.value().unwrap(), "mq-deadline");
        assert_eq!(storage.rotational.value(), Some(&true));
        assert_eq!(storage.read_ahead_kib.value(), Some(&8192));
        assert_eq!(storage.logical_block_bytes.value(), Some(&512));
        let interrupts = storage.interrupts.value().unwrap();
        assert_eq!(
            interrupts
                .iter()
                .map(|i| (i.irq, i.cpus.clone()))
                .collect::<Vec<_>>(),
            [(35, vec![1]), (36, vec![0, 1])]
        );
    }

    #[test]
    fn the_bus_knows_better_than_names() {
        let fake = machine();
        fake.write("/sys/devices/pci0000:00/0000:00:02.0/msi_irqs/36", b"msix");
        let storage = below(&fake.tree(), "x".into(), "/home/x", (254, 1));
        assert_eq!(storage.interrupts.value().unwrap().len(), 1);
    }

    #[test]
    fn a_disk_made_of_disks_has_their_interrupts() {
        let fake = machine();
        let dm = "/sys/devices/virtual/block/dm-0";
        fake.write(&format!("{dm}/queue/scheduler"), b"none\n");
        fake.link("/sys/dev/block/253:0", "../../devices/virtual/block/dm-0");
        fake.link(
            &format!("{dm}/slaves/vda1"),
            &format!("../../../../../..{DISK}/vda1"),
        );
        let storage = below(&fake.tree(), "x".into(), "/home/x", (253, 0));
        assert_eq!(storage.device.value().unwrap(), "dm-0");
        assert_eq!(storage.scheduler.value().unwrap(), "none");
        assert_eq!(storage.interrupts.value().map(Vec::len), Some(2));
    }

    #[test]
    fn a_tmpfs_has_no_device_and_says_so() {
        let storage = below(&machine().tree(), "x".into(), "/tmp/x", (0, 25));
        assert_eq!(storage.filesystem.value().unwrap(), "tmpfs");
        assert!(
            storage
                .device
                .why()
                .is_some_and(|w| w.contains("tmpfs is on anonymous device 0:25"))
        );
        let storage = below(&machine().tree(), "x".into(), "/pool/x", (0, 51));
        assert!(
            storage
                .device
                .why()
                .is_some_and(|w| w.contains("stat /dev/nowhere"))
        );
    }

    #[test]
    fn names_of_interrupts() {
        assert!(is_named_after("virtio1-req.0", "virtio1"));
        assert!(!is_named_after("virtio10-req.0", "virtio1"));
        assert!(is_named_after("nvme0q3", "nvme0"));
        assert!(is_named_after("mmc0", "mmc0"));
        assert!(!is_named_after("block", "block"));
    }
}
