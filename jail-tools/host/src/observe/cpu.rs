//! Which processor, and whether it is a real one.

use record::Fact;

use crate::tree::{Missing, Tree, from_result, nonempty};

const CPUINFO: &str = "/proc/cpuinfo";

pub(super) fn model(tree: &Tree) -> Fact<String> {
    tree.fact(CPUINFO, "a list of CPUs that names a model", |text| {
        field(text, "model name").or_else(|| field(text, "CPU part").map(|p| format!("part {p}")))
    })
}

/// Vendor, family, model, stepping (x86), or implementer, part, variant, revision (Arm): what
/// the tables of counter events are keyed by.
pub(super) fn signature(tree: &Tree) -> Fact<String> {
    tree.fact(CPUINFO, "a list of CPUs with vendor and model", |text| {
        if let Some(vendor) = field(text, "vendor_id") {
            let (family, model) = (field(text, "cpu family")?, field(text, "model")?);
            let stepping = field(text, "stepping").unwrap_or_else(|| "unknown".into());
            return Some(format!(
                "{vendor} family {family} model {model} stepping {stepping}"
            ));
        }
        let (implementer, part) = (field(text, "CPU implementer")?, field(text, "CPU part")?);
        let (variant, revision) = (field(text, "CPU variant")?, field(text, "CPU revision")?);
        Some(format!(
            "implementer {implementer} part {part} variant {variant} revision {revision}"
        ))
    })
}

/// The hypervisor's name, or `none` on bare metal.
pub(super) fn hypervisor(tree: &Tree) -> Fact<String> {
    if let Some(vendor) = cpuid_hypervisor() {
        return vendor;
    }
    for path in [
        "/sys/hypervisor/type",
        "/proc/device-tree/hypervisor/compatible",
    ] {
        if let Ok(name) = tree.text(path) {
            return Fact::known(name, path);
        }
    }
    from_result(dmi_hypervisor(tree), "/sys/class/dmi/id")
}

/// `cpuid` answers for every x86 machine: leaf 1, ECX bit 31 is set by hypervisors and reserved
/// as 0 by hardware; leaf 0x4000_0000 then holds the vendor in EBX, ECX, EDX. A hypervisor that leaves it empty is left to the others.
/// (Linux, Documentation/virt/kvm/x86/cpuid.rst; AMD APM vol. 3, appendix E.3.)
#[cfg(target_arch = "x86_64")]
fn cpuid_hypervisor() -> Option<Fact<String>> {
    use std::arch::x86_64::__cpuid;

    if __cpuid(1).ecx >> 31 == 0 {
        return Some(Fact::known("none".into(), "cpuid leaf 1"));
    }
    let leaf = __cpuid(0x4000_0000);
    let vendor: Vec<u8> = [leaf.ebx, leaf.ecx, leaf.edx]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    Some(Fact::known(vendor_name(&vendor)?, "cpuid leaf 0x40000000"))
}

#[cfg(not(target_arch = "x86_64"))]
fn cpuid_hypervisor() -> Option<Fact<String>> {
    None
}

/// Names of the vendors that report under a signature; `None` for an empty one.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
fn vendor_name(signature: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(signature);
    let name = match text.trim_end_matches('\0') {
        "KVMKVMKVM" => "KVM",
        "Microsoft Hv" => "Hyper-V",
        "VMwareVMware" => "VMware",
        "XenVMMXenVMM" => "Xen",
        "TCGTCGTCGTCG" => "QEMU (emulated)",
        "bhyve bhyve " => "bhyve",
        other => other.trim(),
    };
    nonempty(name)
}

/// What the firmware says. It can only prove a guest, never bare metal.
fn dmi_hypervisor(tree: &Tree) -> Result<String, Missing> {
    const GUESTS: [(&str, &str); 6] = [
        ("QEMU", "QEMU/KVM"),
        ("KVM", "KVM"),
        ("VMware", "VMware"),
        ("VirtualBox", "VirtualBox"),
        ("Xen", "Xen"),
        ("Amazon EC2", "Amazon EC2"),
    ];
    let vendor = tree.text("/sys/class/dmi/id/sys_vendor")?;
    let product = tree
        .text("/sys/class/dmi/id/product_name")
        .ok()
        .and_then(|p| nonempty(&p))
        .unwrap_or_default();
    let guest = GUESTS
        .iter()
        .find(|(mark, _)| vendor.contains(mark) || product.contains(mark));
    guest.map(|(_, name)| (*name).to_owned()).ok_or_else(|| {
        Missing::CouldNotTell(format!(
            "/sys/class/dmi/id says {vendor:?} {product:?}, which names no hypervisor"
        ))
    })
}

/// First value of a `key : value` line.
fn field(cpuinfo: &str, key: &str) -> Option<String> {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(k, _)| k.trim() == key)
        .and_then(|(_, value)| nonempty(value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::fake::Fake;

    const X86: &str = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\n\
                       model name\t: AMD EPYC\nstepping\t: 1\n";
    const ARM: &str = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\n\
                       CPU part\t: 0xd0c\nCPU revision\t: 1\n";

    #[test]
    fn x86_and_arm_are_both_named() {
        let tree = Fake::with(&[(CPUINFO, X86)]);
        assert_eq!(model(&tree.tree()).value().unwrap(), "AMD EPYC");
        assert_eq!(
            signature(&tree.tree()).value().unwrap(),
            "AuthenticAMD family 25 model 1 stepping 1"
        );
        let tree = Fake::with(&[(CPUINFO, ARM)]);
        assert_eq!(model(&tree.tree()).value().unwrap(), "part 0xd0c");
        assert_eq!(
            signature(&tree.tree()).value().unwrap(),
            "implementer 0x41 part 0xd0c variant 0x3 revision 1"
        );
    }

    #[test]
    fn vendors_have_names() {
        assert_eq!(vendor_name(b"KVMKVMKVM\0\0\0").as_deref(), Some("KVM"));
        assert_eq!(vendor_name(b"\0\0\0\0\0\0\0\0\0\0\0\0"), None);
        assert_eq!(vendor_name(b" lrpepyh  vr").as_deref(), Some("lrpepyh  vr"));
    }

    #[test]
    fn firmware_cannot_prove_bare_metal() {
        let fake = Fake::with(&[("/sys/class/dmi/id/sys_vendor", "Dell Inc.\n")]);
        assert!(matches!(
            dmi_hypervisor(&fake.tree()),
            Err(Missing::CouldNotTell(_))
        ));
        fake.write("/sys/class/dmi/id/sys_vendor", b"QEMU\n");
        assert_eq!(dmi_hypervisor(&fake.tree()).as_deref(), Ok("QEMU/KVM"));
    }
}
