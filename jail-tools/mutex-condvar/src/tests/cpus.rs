use crate::cpus::Cpus;

#[test]
fn a_cpu_that_is_not_used_any_more_is_forgotten() {
    let cpus = Cpus::new();
    assert!(cpus.look() >= 1);
    cpus.pretend_all();
    assert_eq!(cpus.look(), 64);
    for _ in 0..300 {
        cpus.look();
    }
    // The test may have been moved from CPU to CPU, but hardly to 64 of them.
    assert!(cpus.look() < 64);
}
