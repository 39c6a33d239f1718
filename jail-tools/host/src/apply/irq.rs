//! Interrupts that can be moved off the measured CPUs, and those that can't.

use std::path::Path;

use super::isolate::Unmoved;
use super::write::{read, write};
use crate::cpu_list;
use crate::error::{Error, Result};
use crate::keeper::{Keeper, Undo};
use crate::tree::Tree;

/// Moves every interrupt that may be delivered to a measured CPU to the housekeeping ones.
/// Gives the number that moved, and those that refused.
///
/// # Errors
/// Only if the keeper does not answer: a refusal by the kernel is an ordinary result (managed
/// interrupts of a multi-queue device are EPERM or EIO, and so are per-CPU ones).
pub(super) fn move_away(
    measured: &[u32],
    housekeeping: &[u32],
    keeper: &mut Keeper,
) -> Result<(u32, Vec<Unmoved>)> {
    let tree = Tree::host();
    let mut numbers: Vec<u32> = tree
        .names("/proc/irq")
        .unwrap_or_default()
        .iter()
        .filter_map(|n| n.parse().ok())
        .collect();
    numbers.sort_unstable();
    let mut moved = 0;
    let mut unmoved = Vec::new();
    for irq in numbers {
        match move_one(&tree, irq, measured, housekeeping, keeper) {
            Ok(true) => moved += 1,
            Ok(false) => {}
            Err(error @ Error::Keeper { .. }) => return Err(error),
            Err(error) => unmoved.push(Unmoved {
                what: describe(&tree, irq),
                why: error.to_string(),
            }),
        }
    }
    Ok((moved, unmoved))
}

fn move_one(
    tree: &Tree,
    irq: u32,
    measured: &[u32],
    housekeeping: &[u32],
    keeper: &mut Keeper,
) -> Result<bool> {
    let path = format!("/proc/irq/{irq}/smp_affinity_list");
    // An interrupt without an affinity is not routed by CPU.
    let Ok(affinity) = tree.text(&path) else {
        return Ok(false);
    };
    let Some(target) =
        cpu_list::parse(&affinity).and_then(|now| target(&now, measured, housekeeping))
    else {
        return Ok(false);
    };
    let effective = tree
        .text(&format!("/proc/irq/{irq}/effective_affinity_list"))
        .ok()
        .filter(|t| !t.is_empty());
    keeper.promise(Undo::Interrupt {
        irq,
        affinity,
        effective,
    })?;
    let target = cpu_list::format(&target);
    write(Path::new(&path), &target)?;
    let found = read(Path::new(&path))?;
    if found == target {
        return Ok(true);
    }
    Err(Error::NotTaken {
        object: path,
        asked: target,
        found,
        next: "the interrupt controller chose otherwise",
    })
}

/// Where an interrupt with this affinity should go; `None` if it is out of the way already.
fn target(now: &[u32], measured: &[u32], housekeeping: &[u32]) -> Option<Vec<u32>> {
    if !now.iter().any(|c| measured.contains(c)) {
        return None;
    }
    let kept: Vec<u32> = now
        .iter()
        .copied()
        .filter(|c| housekeeping.contains(c))
        .collect();
    Some(if kept.is_empty() {
        housekeeping.to_vec()
    } else {
        kept
    })
}

/// The number with the name of its handler, which is a directory beside the affinity.
fn describe(tree: &Tree, irq: u32) -> String {
    let dir = format!("/proc/irq/{irq}");
    let names = tree.names(&dir).unwrap_or_default();
    let handlers: Vec<&str> = names
        .iter()
        .filter(|n| tree.names(&format!("{dir}/{n}")).is_ok())
        .map(String::as_str)
        .collect();
    if handlers.is_empty() {
        format!("interrupt {irq}")
    } else {
        format!("interrupt {irq} ({})", handlers.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_keep_what_they_have_of_the_housekeeping_cpus() {
        assert_eq!(target(&[0, 1, 2, 3], &[3], &[0, 1]), Some(vec![0, 1]));
        assert_eq!(target(&[3], &[3], &[0, 1]), Some(vec![0, 1]));
        assert_eq!(target(&[2], &[3], &[0, 1]), None);
    }
}
