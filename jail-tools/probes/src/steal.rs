//! Does the hypervisor keep an account of stolen time that can be read?

/// Feature bit of the KVM CPUID leaf: Documentation/virt/kvm/x86/cpuid.rst, `KVM_FEATURE_STEAL_TIME`.
#[cfg(target_arch = "x86_64")]
const KVM_FEATURE_STEAL_TIME: u32 = 1 << 5;

/// `Ok` if this is a KVM guest whose host reports steal; else why there is nothing to read.
///
/// # Errors
/// The reason, in words. Bare metal has no steal; other hypervisors have other records.
#[cfg(target_arch = "x86_64")]
pub fn available() -> Result<(), String> {
    use std::arch::x86_64::__cpuid;
    /// Documentation/virt/kvm/x86/cpuid.rst: signature leaf, then the feature leaf.
    const SIGNATURE: u32 = 0x4000_0000;
    /// CPUID.1:ECX bit 31, "running under a hypervisor".
    const HYPERVISOR: u32 = 1 << 31;
    if __cpuid(1).ecx & HYPERVISOR == 0 {
        return Err("bare metal: no hypervisor that could steal".into());
    }
    let s = __cpuid(SIGNATURE);
    let name: Vec<u8> = [s.ebx, s.ecx, s.edx]
        .iter()
        .flat_map(|r| r.to_le_bytes())
        .collect();
    if !name.starts_with(b"KVMKVMKVM") {
        return Err(format!(
            "the hypervisor is {}, not KVM",
            String::from_utf8_lossy(&name).trim_end_matches('\0')
        ));
    }
    if __cpuid(SIGNATURE + 1).eax & KVM_FEATURE_STEAL_TIME == 0 {
        return Err("the KVM host does not report steal time".into());
    }
    Ok(())
}

/// Only x86 KVM's record is known.
///
/// # Errors
/// Always.
#[cfg(not(target_arch = "x86_64"))]
pub fn available() -> Result<(), String> {
    Err("steal is read from x86 KVM's record only".into())
}
