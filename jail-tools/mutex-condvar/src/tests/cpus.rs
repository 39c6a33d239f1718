use crate::cpus::Cpus;

/// The test may be moved from CPU to CPU meanwhile, but hardly to 64 of them.
const MANY: u32 = 64;

#[test]
fn what_was_seen_is_kept_while_spinning_pays() {
    let cpus = Cpus::new();
    assert!((1..MANY).contains(&cpus.look()));
    cpus.pretend_all();
    for turn in 0..1000 {
        cpus.learn(turn % 10 == 0);
        assert_eq!(cpus.look(), MANY);
    }
}

#[test]
fn what_was_seen_is_forgotten_when_spinning_never_pays() {
    let cpus = Cpus::new();
    cpus.pretend_all();
    let mut spins = 0;
    while cpus.look() == MANY {
        cpus.learn(false);
        spins += 1;
    }
    assert_eq!(spins, 16);
}
