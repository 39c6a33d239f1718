use std::collections::BTreeMap;

use super::compile::{ARCH_AT, ARGUMENTS_AT, AUDIT_ARCH, NUMBER_AT, X32_SYSCALL_BIT};
use super::*;
use proptest::prelude::*;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// The same table, compiled by the library: a rule per bit, since it has no "any of these".
fn by_the_library() -> Vec<libc::sock_filter> {
    let rule = |argument, mask, value| {
        let equal = SeccompCmpOp::MaskedEq(mask);
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, equal, value);
        SeccompRule::new(vec![condition.expect("a condition")]).expect("a rule")
    };
    let mut by_number: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (_, number, when) in TABLE {
        let rules = by_number.entry(*number).or_default();
        match *when {
            When::Always | When::NoSuchCall => {}
            When::Masked {
                argument,
                mask,
                value,
            } => rules.push(rule(argument, mask.into(), value.into())),
            When::AnyBit { argument, mask } => {
                let bits = (0..32)
                    .map(|bit| 1u64 << bit)
                    .filter(|bit| u64::from(mask) & bit != 0);
                rules.extend(bits.map(|bit| rule(argument, bit, bit)));
            }
        }
    }
    let (allow, deny) = (
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM as u32),
    );
    let here = std::env::consts::ARCH
        .try_into()
        .expect("known to the library");
    let filter = SeccompFilter::new(by_number, allow, deny, here).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    let same = |i: &seccompiler::sock_filter| instruction(i.code.into(), i.jt, i.jf, i.k);
    program.iter().map(same).collect()
}

/// What the kernel would do with a call, and in how many instructions.
fn verdict(program: &[libc::sock_filter], arch: u32, number: u32, args: [u64; 6]) -> (u32, usize) {
    let word = |at: u32| match at {
        NUMBER_AT => number,
        ARCH_AT => arch,
        _ => {
            let (argument, half) = ((at - ARGUMENTS_AT) / 8, (at - ARGUMENTS_AT) % 8 / 4);
            (args[argument as usize] >> (32 * half)) as u32
        }
    };
    let (mut at, mut a, mut steps) = (0, 0u32, 0);
    loop {
        let one = program[at];
        let code = u32::from(one.code);
        at += 1;
        steps += 1;
        let branch = |yes: bool| usize::from(if yes { one.jt } else { one.jf });
        if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS {
            a = word(one.k);
        } else if code == libc::BPF_ALU | libc::BPF_AND | libc::BPF_K {
            a &= one.k;
        } else if code == libc::BPF_JMP | libc::BPF_JA {
            at += one.k as usize;
        } else if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K {
            at += branch(a == one.k);
        } else if code == libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K {
            at += branch(a >= one.k);
        } else if code == libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K {
            at += branch(a & one.k != 0);
        } else if code == libc::BPF_RET | libc::BPF_K {
            return (one.k, steps);
        } else {
            panic!("an instruction that the test does not know: {code:#x}");
        }
    }
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

#[test]
fn every_number_is_decided_as_the_table_says() {
    let program = program(&[]).expect("a filter");
    for number in 0..1000u32 {
        let always = TABLE
            .iter()
            .any(|(_, n, when)| *n == i64::from(number) && *when == When::Always);
        let expected = if i64::from(number) == libc::SYS_clone3 {
            ENOSYS
        } else if always {
            EPERM
        } else {
            libc::SECCOMP_RET_ALLOW
        };
        assert_eq!(
            verdict(&program, AUDIT_ARCH, number, [0; 6]).0,
            expected,
            "{number}"
        );
    }
}

#[test]
fn each_condition_denies() {
    let program = program(&[]).expect("a filter");
    for (name, number, when) in TABLE {
        let (argument, values) = match *when {
            When::Always | When::NoSuchCall => continue,
            When::Masked {
                argument,
                value,
                mask,
            } => (argument, vec![value, value | !mask]),
            When::AnyBit { argument, mask } => (
                argument,
                (0..32).map(|b| 1 << b).filter(|b| mask & b != 0).collect(),
            ),
        };
        for value in values {
            let mut args = [0; 6];
            args[usize::from(argument)] = u64::from(value);
            let (answer, _) = verdict(&program, AUDIT_ARCH, *number as u32, args);
            assert_eq!(answer, EPERM, "{name} {value:#x}");
        }
    }
}

#[test]
fn other_architectures_are_killed_and_x32_does_not_exist() {
    let program = program(&[]).expect("a filter");
    // AUDIT_ARCH_I386
    assert_eq!(
        verdict(&program, 0x4000_0003, 0, [0; 6]).0,
        libc::SECCOMP_RET_KILL_PROCESS
    );
    for number in [0, libc::SYS_mount as u32, u32::MAX >> 2] {
        let x32 = number | X32_SYSCALL_BIT;
        assert_eq!(verdict(&program, AUDIT_ARCH, x32, [0; 6]).0, ENOSYS);
    }
}

#[test]
fn the_filter_is_short_and_decides_soon() {
    let program = program(&[]).expect("a filter");
    let steps = (0..500)
        .map(|n| verdict(&program, AUDIT_ARCH, n, [0; 6]).1)
        .max();
    assert!(
        program.len() < 200 && steps < Some(20),
        "{} {steps:?}",
        program.len()
    );
}

#[test]
fn what_is_allowed_is_not_denied() {
    for name in names() {
        let program = program(&[name.to_owned()]).expect("a filter");
        let numbers = TABLE
            .iter()
            .filter(|(n, ..)| *n == name)
            .map(|(_, number, _)| *number as u32);
        for number in numbers {
            let all_bits = [u64::MAX; 6];
            let (answer, _) = verdict(&program, AUDIT_ARCH, number, all_bits);
            assert_eq!(answer, libc::SECCOMP_RET_ALLOW, "{name}");
        }
    }
}

#[test]
fn a_call_that_is_not_denied_cannot_be_allowed() {
    let error = program(&["read".into()]).expect_err("read is allowed anyway");
    assert!(error.to_string().contains("`read`"), "{error}");
}

proptest! {
    #[test]
    fn the_library_decides_the_same(number in 0u32..500, args: [u64; 6], plain: [u16; 6], wide: bool) {
        prop_assume!(i64::from(number) != libc::SYS_clone3);
        let args = if wide { args } else { plain.map(u64::from) };
        let ours = verdict(&program(&[]).expect("a filter"), AUDIT_ARCH, number, args).0;
        let theirs = verdict(&by_the_library(), AUDIT_ARCH, number, args).0;
        prop_assert_eq!(ours, theirs);
    }
}
