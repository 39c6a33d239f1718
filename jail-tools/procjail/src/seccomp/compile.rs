//! From the table of denied calls to a program of the kernel's classic BPF, when this crate is
//! compiled: a tree that halves the ranges of numbers with one fate, then the blocks that look at
//! arguments, then the answers, each once.

use super::{TABLE, When};

/// A program.
#[derive(Debug)]
pub(super) struct Program {
    instructions: [libc::sock_filter; ROOM],
    length: usize,
    /// Where the jumps of each instruction lead: a label, or [`NEAR`] where the distance stands.
    to: [(u8, u8); ROOM],
}

/// More than the longest program needs; a jump spans at most 255.
const ROOM: usize = 250;
/// Above every number of a system call (6.18: 469).
const NUMBERS: usize = 512;
/// More than there are changes of fate.
const RANGES: usize = 128;

// Fates of a number, which are labels too. From `ARGUMENTS` on: a block that looks at arguments.
const ALLOW: u8 = 0;
const EPERM: u8 = 1;
const ENOSYS: u8 = 2;
const ARGUMENTS: u8 = 3;
const NEAR: u8 = u8::MAX;

/// `struct seccomp_data` (include/uapi/linux/seccomp.h): number, architecture, instruction, arguments.
pub(super) const NUMBER_AT: u32 = 0;
pub(super) const ARCH_AT: u32 = 4;
pub(super) const ARGUMENTS_AT: u32 = 16;

/// arch/x86/include/uapi/asm/unistd.h
pub(super) const X32_SYSCALL_BIT: u32 = 0x4000_0000;

/// include/uapi/linux/audit.h: `AUDIT_ARCH_X86_64`, `AUDIT_ARCH_AARCH64`.
pub(super) const AUDIT_ARCH: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else {
    0xc000_00b7
};

/// Numbers with one fate.
#[derive(Clone, Copy)]
struct Range {
    first: u32,
    fate: u8,
}

/// Compiles the rules of the table whose bit is set in `denied`.
pub(super) const fn compile(denied: u128) -> Program {
    assert!(TABLE.len() <= 128);
    let mut program = Program {
        instructions: [op(libc::BPF_RET | libc::BPF_K, 0); ROOM],
        length: 0,
        to: [(NEAR, NEAR); ROOM],
    };
    program.push(op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, ARCH_AT));
    let mut own = op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, AUDIT_ARCH);
    own.jt = 1;
    program.push(own);
    program.push(op(
        libc::BPF_RET | libc::BPF_K,
        libc::SECCOMP_RET_KILL_PROCESS,
    ));
    program.push(op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER_AT));
    let (fates, conditional) = fates(denied);
    let (ranges, count) = ranges(&fates);
    program.halve(&ranges, 0, count);
    let mut labels = [0; NUMBERS];
    program.blocks(denied, &conditional, &mut labels);
    program.answers(&mut labels);
    program.aim(&labels);
    program
}

/// The fate of each number; and the numbers of the blocks that look at arguments, ended by 0.
const fn fates(denied: u128) -> ([u8; NUMBERS], [u32; 32]) {
    let (mut fates, mut conditional, mut blocks) = ([ALLOW; NUMBERS], [0; 32], 0);
    let mut at = 0;
    while at < TABLE.len() {
        let (_, number, when) = TABLE[at];
        let number = number as usize;
        if denied >> at & 1 == 1 {
            fates[number] = match when {
                When::Always => EPERM,
                When::NoSuchCall => ENOSYS,
                _ if fates[number] == ALLOW => {
                    conditional[blocks] = number as u32;
                    blocks += 1;
                    ARGUMENTS + blocks as u8 - 1
                }
                _ => fates[number],
            };
        }
        at += 1;
    }
    (fates, conditional)
}

/// All numbers as ranges, ascending from 0 to the end of what a register holds.
const fn ranges(fates: &[u8; NUMBERS]) -> ([Range; RANGES], usize) {
    let mut ranges = [Range {
        first: 0,
        fate: fates[0],
    }; RANGES];
    let (mut count, mut number) = (1, 1);
    while number < NUMBERS {
        if fates[number] != ranges[count - 1].fate {
            ranges[count] = Range {
                first: number as u32,
                fate: fates[number],
            };
            count += 1;
        }
        number += 1;
    }
    ranges[count] = Range {
        first: X32_SYSCALL_BIT,
        fate: ENOSYS,
    };
    (ranges, count + 1)
}

impl Program {
    /// What is to be loaded.
    pub(super) fn instructions(&self) -> &[libc::sock_filter] {
        self.instructions.get(..self.length).unwrap_or_default()
    }

    const fn push(&mut self, instruction: libc::sock_filter) {
        self.instructions[self.length] = instruction;
        self.length += 1;
    }

    const fn jump(&mut self, test: u32, with: u32, yes: u8, no: u8) {
        self.to[self.length] = (yes, no);
        self.push(op(libc::BPF_JMP | test | libc::BPF_K, with));
    }

    /// The tree over `ranges[low..high]`, at least two of them.
    const fn halve(&mut self, ranges: &[Range; RANGES], low: usize, high: usize) {
        let middle = low + (high - low) / 2;
        let (only_low, only_high) = (middle - low == 1, high - middle == 1);
        let node = self.length;
        let yes = if only_high { ranges[middle].fate } else { NEAR };
        let no = if only_low { ranges[low].fate } else { NEAR };
        self.jump(libc::BPF_JGE, ranges[middle].first, yes, no);
        if !only_low {
            self.halve(ranges, low, middle);
        }
        if !only_high {
            let over = self.length - node - 1;
            assert!(over < 256);
            self.instructions[node].jt = over as u8;
            self.halve(ranges, middle, high);
        }
    }

    /// The blocks that look at arguments. All is about the low half of one: what the kernel takes for
    /// an `int`, a mode or flags.
    const fn blocks(
        &mut self,
        denied: u128,
        conditional: &[u32; 32],
        labels: &mut [usize; NUMBERS],
    ) {
        let mut block = 0;
        while conditional[block] != 0 {
            labels[ARGUMENTS as usize + block] = self.length;
            let mut at = 0;
            while at < TABLE.len() {
                let (_, number, when) = TABLE[at];
                if number as u32 == conditional[block] && denied >> at & 1 == 1 {
                    self.deny_if(when);
                }
                at += 1;
            }
            // No rule held.
            self.to[self.length - 1].1 = ALLOW;
            block += 1;
        }
    }

    const fn deny_if(&mut self, when: When) {
        let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        match when {
            When::Masked {
                argument,
                mask,
                value,
            } => {
                self.push(op(load, ARGUMENTS_AT + 8 * argument as u32));
                self.push(op(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, mask));
                self.jump(libc::BPF_JEQ, value, EPERM, NEAR);
            }
            When::AnyBit { argument, mask } => {
                self.push(op(load, ARGUMENTS_AT + 8 * argument as u32));
                self.jump(libc::BPF_JSET, mask, EPERM, NEAR);
            }
            When::Always | When::NoSuchCall => {}
        }
    }

    const fn answers(&mut self, labels: &mut [usize; NUMBERS]) {
        let answers = [
            (ALLOW, libc::SECCOMP_RET_ALLOW),
            (EPERM, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
            (ENOSYS, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        ];
        let mut at = 0;
        while at < answers.len() {
            labels[answers[at].0 as usize] = self.length;
            self.push(op(libc::BPF_RET | libc::BPF_K, answers[at].1));
            at += 1;
        }
    }

    /// Writes the distance to its label into each jump.
    const fn aim(&mut self, labels: &[usize; NUMBERS]) {
        let mut at = 0;
        while at < self.length {
            let (yes, no) = self.to[at];
            if yes != NEAR {
                self.instructions[at].jt = (labels[yes as usize] - at - 1) as u8;
            }
            if no != NEAR {
                self.instructions[at].jf = (labels[no as usize] - at - 1) as u8;
            }
            at += 1;
        }
    }
}

const fn op(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}
