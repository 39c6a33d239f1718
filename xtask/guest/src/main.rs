//! PID 1 of a test guest: mounts what a system has, runs the plan's steps one after the other,
//! tells each event, and powers off.
//!
//! It never returns: PID 1's end is a kernel panic. Whatever goes wrong once the port of events
//! is open is told as [`guest::Event::Broken`] before the power goes; before that, the console
//! has it.

mod post_mortem;
mod root;
mod steps;
mod teller;

use std::path::Path;

use anyhow::Context;
use guest::{Event, Plan, Up};
use nix::sys::reboot::{RebootMode, reboot};

use crate::teller::Teller;

fn main() {
    // A panic would leave the guest standing until the host's limit: say it, and power off.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("guest-init: {panic}");
        if let Ok(mut teller) = Teller::open(guest::EVENTS) {
            // The console has it all the same.
            let _ = teller.tell(&Event::Broken(format!("PID 1: {panic}")));
        }
        power_off();
    }));
    if let Err(error) = work() {
        eprintln!("guest-init: {error:#}");
    }
    power_off();
}

fn work() -> anyhow::Result<()> {
    root::early()?;
    if root::command_line()?
        .split_whitespace()
        .any(|w| w == guest::SHELL_OPTION)
    {
        root::load_modules()?;
        root::switch()?;
        root::late()?;
        return root::shell();
    }
    // From here on somebody listens.
    let mut teller = Teller::open(guest::EVENTS)?;
    let done = serve(&mut teller);
    teller.tell(&match done {
        Ok(()) => Event::Done,
        Err(error) => Event::Broken(format!("{error:#}")),
    })
}

fn serve(teller: &mut Teller) -> anyhow::Result<()> {
    root::load_modules()?;
    root::switch()?;
    root::late()?;
    let plan = std::fs::read(guest::PLAN).with_context(|| format!("read {}", guest::PLAN))?;
    let plan: Plan =
        serde_json::from_slice(&plan).with_context(|| format!("parse {}", guest::PLAN))?;
    teller.tell(&Event::Up(up()))?;
    for (number, step) in plan.steps.iter().enumerate() {
        teller.tell(&Event::Begin(number))?;
        steps::run(number, step, &plan.env, teller)?;
    }
    Ok(())
}

/// What cannot be read is said in its place: it is for people.
fn up() -> Up {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .map_or_else(|e| format!("{path}: {e}"), |t| t.trim().to_owned())
    };
    Up {
        kernel: read("/proc/sys/kernel/osrelease"),
        clocksource: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        cgroup_controllers: read("/sys/fs/cgroup/cgroup.controllers"),
    }
}

fn power_off() {
    nix::unistd::sync();
    // Not as a test on somebody's machine: only PID 1 may end the system.
    if nix::unistd::getpid().as_raw() == 1 && Path::new("/proc/1").exists() {
        let _ = reboot(RebootMode::RB_POWER_OFF);
        let _ = reboot(RebootMode::RB_AUTOBOOT);
    }
}
