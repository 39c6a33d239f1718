//! The account itself.

use crate::account::Account;

fn well() -> Account {
    Account {
        made: vec![4, 1],
        refused: vec![(0, 1)],
        received: vec![vec![(0, 0), (1, 0)], vec![]],
        drained: vec![(0, 2), (0, 3)],
        lost: vec![],
    }
}

fn said(change: impl FnOnce(&mut Account)) -> String {
    let mut account = well();
    change(&mut account);
    account.check(false).expect_err("a broken promise")
}

#[test]
fn broken_promises_are_named() {
    assert_eq!(well().check(false), Ok(()));
    assert!(said(|a| a.received[1].push((1, 0))).contains("twice"));
    assert!(said(|a| a.refused.clear()).contains("nowhere"));
    assert!(said(|a| a.refused[0] = (0, 9)).contains("never made"));
    assert!(said(|a| a.received[0].extend([(0, 3), (0, 2)])).contains("after its item"));
    assert!(said(|a| a.received[1].push((0, 3))).contains("left behind"));
    assert!(said(|a| a.lost.push((0, 1))).contains("dropped inside"));
}
