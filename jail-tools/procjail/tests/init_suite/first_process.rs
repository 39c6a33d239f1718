//! Inits that are PID 1 of a PID namespace.

use testkit::Test;

use crate::scenarios::{early, exit, job_control, processes, signals, start};
use crate::subject::Place;
use crate::subject::Subject;
use crate::table::Peers::{self, AllPass, AsSeen, SomeFails};
use crate::table::judge;
use crate::verdict::Verdict;

/// What the table of kernels calls it.
const SUITE: &str = "init suite, procjail as PID 1";

fn holds(test: &Test, scenario: &str, peers: Peers, story: fn(&Subject) -> Verdict) {
    judge(Place::FirstProcess, scenario, peers, story);
    test.verified(SUITE, scenario);
}

#[test]
fn needs_root_exit_codes_are_the_commands() {
    let test = testkit::begin!();
    holds(&test, "exit codes", AllPass, exit::codes);
}

#[test]
fn needs_root_death_by_a_signal_is_128_and_its_number() {
    let test = testkit::begin!();
    holds(&test, "death by signal", AllPass, exit::deaths);
}

#[test]
fn needs_root_a_command_that_cannot_be_executed_is_126_or_127() {
    let test = testkit::begin!();
    holds(&test, "exec failures", AsSeen, exit::no_command);
}

#[test]
fn needs_root_an_exit_code_is_forgiven_where_asked() {
    let test = testkit::begin!();
    holds(&test, "forgiven code", AsSeen, exit::forgiven);
}

#[test]
fn needs_root_every_standard_signal_reaches_the_command() {
    let test = testkit::begin!();
    holds(&test, "standard signals", AsSeen, signals::standard);
}

#[test]
fn needs_root_signals_of_job_control_reach_the_command() {
    let test = testkit::begin!();
    holds(&test, "job control signals", AsSeen, signals::job_control);
}

#[test]
fn needs_root_every_real_time_signal_reaches_the_command() {
    let test = testkit::begin!();
    holds(&test, "real-time signals", AsSeen, signals::real_time);
}

#[test]
fn needs_root_a_plain_term_reaches_an_established_command() {
    let test = testkit::begin!();
    holds(&test, "plain TERM", AllPass, signals::plain_term);
}

#[test]
fn needs_root_the_group_gets_signals_where_asked() {
    let test = testkit::begin!();
    holds(&test, "signals to the group", AllPass, signals::group);
}

#[test]
fn needs_root_values_and_claimed_users_arrive_in_order() {
    let test = testkit::begin!();
    holds(&test, "values", SomeFails, signals::values);
}

#[test]
fn needs_root_a_burst_of_all_real_time_signals_loses_none() {
    let test = testkit::begin!();
    holds(&test, "burst of values", SomeFails, signals::burst);
}

#[test]
fn needs_root_the_sender_is_named_where_it_is_visible() {
    let test = testkit::begin!();
    holds(&test, "sender", SomeFails, signals::sender);
}

#[test]
fn needs_root_standard_signals_coalesce_and_never_vanish() {
    let test = testkit::begin!();
    holds(&test, "coalescing", AsSeen, signals::coalesced);
}

#[test]
fn needs_root_a_signal_is_rewritten_where_asked() {
    let test = testkit::begin!();
    holds(&test, "rewritten signal", AsSeen, signals::rewritten);
}

#[test]
fn needs_root_a_signal_is_dropped_where_asked() {
    let test = testkit::begin!();
    holds(&test, "dropped signal", AsSeen, signals::dropped);
}

#[test]
fn needs_root_the_parents_death_is_told_where_asked() {
    let test = testkit::begin!();
    holds(&test, "parent's death", AsSeen, signals::parent_death);
}

#[test]
fn needs_root_a_command_starts_with_nothing_blocked_or_ignored() {
    let test = testkit::begin!();
    holds(&test, "plain mask", AsSeen, start::plain_signals);
}

#[test]
fn needs_root_a_command_starts_with_the_masks_and_dispositions_of_the_init() {
    let test = testkit::begin!();
    holds(&test, "odd mask", AsSeen, start::odd_signals);
}

#[test]
fn needs_root_a_command_has_no_descriptor_of_the_inits() {
    let test = testkit::begin!();
    holds(&test, "descriptors", AsSeen, start::descriptors);
}

#[test]
fn needs_root_arguments_arrive_byte_for_byte() {
    let test = testkit::begin!();
    holds(&test, "arguments", AllPass, start::arguments);
}

#[test]
fn needs_root_environment_directory_and_umask_are_passed_on() {
    let test = testkit::begin!();
    holds(&test, "surroundings", AllPass, start::surroundings);
}

#[test]
fn needs_root_a_command_has_a_group_of_its_own() {
    let test = testkit::begin!();
    holds(&test, "own group", AsSeen, start::own_group);
}

#[test]
fn needs_root_a_command_has_a_session_of_its_own_where_asked() {
    let test = testkit::begin!();
    holds(&test, "own session", AsSeen, start::own_session);
}

#[test]
fn needs_root_orphans_are_reaped() {
    let test = testkit::begin!();
    holds(&test, "orphans", AllPass, processes::orphans);
}

#[test]
fn needs_root_orphans_are_reaped_while_signals_arrive() {
    let test = testkit::begin!();
    holds(
        &test,
        "orphans and signals",
        AsSeen,
        processes::orphans_and_signals,
    );
}

#[test]
fn needs_root_a_stopped_command_goes_on_at_cont() {
    let test = testkit::begin!();
    holds(&test, "stop and continue", AsSeen, processes::stopped);
}

#[test]
fn needs_root_a_command_reads_from_its_terminal() {
    let test = testkit::begin!();
    holds(&test, "terminal: reading", AsSeen, job_control::reads);
}

#[test]
fn needs_root_ctrl_c_arrives_exactly_once() {
    let test = testkit::begin!();
    holds(&test, "terminal: ^C", AsSeen, job_control::ctrl_c);
}

#[test]
fn needs_root_ctrl_z_without_a_shell_stops_nothing() {
    let test = testkit::begin!();
    holds(
        &test,
        "terminal: ^Z without a shell",
        AsSeen,
        job_control::ctrl_z_without_a_shell,
    );
}

#[test]
fn needs_root_a_command_at_a_terminal_is_stopped_on_purpose_and_continued() {
    let test = testkit::begin!();
    holds(
        &test,
        "terminal: stopped on purpose",
        AsSeen,
        job_control::stopped_on_purpose,
    );
}

#[test]
fn needs_root_a_script_that_is_a_shells_job_stops_whole() {
    let test = testkit::begin!();
    holds(
        &test,
        "terminal: job is a script",
        AsSeen,
        job_control::job_is_a_script,
    );
}

#[test]
fn needs_root_what_is_redirected_leaves_the_terminal_to_its_script() {
    let test = testkit::begin!();
    holds(
        &test,
        "terminal: redirected",
        AsSeen,
        job_control::redirected,
    );
}

#[test]
fn needs_root_the_terminal_is_given_back_to_the_script() {
    let test = testkit::begin!();
    holds(
        &test,
        "terminal: given back",
        AsSeen,
        job_control::given_back,
    );
}

#[test]
fn needs_root_a_term_soon_after_the_start_is_not_lost() {
    let test = testkit::begin!();
    holds(&test, "early TERM", SomeFails, early::unprepared);
}

#[test]
fn needs_root_a_term_soon_after_a_start_with_all_blocked_is_not_lost() {
    let test = testkit::begin!();
    holds(&test, "early TERM, all blocked", AsSeen, early::prepared);
}

#[test]
fn needs_root_a_term_after_the_init_has_taken_it_over_is_not_lost() {
    let test = testkit::begin!();
    holds(&test, "early TERM, taken over", AsSeen, early::taken_over);
}

#[test]
fn needs_root_a_job_in_the_background_does_not_take_the_terminal() {
    let test = testkit::begin!();
    holds(&test, "terminal: not taken", AsSeen, job_control::not_taken);
}

#[test]
fn needs_root_an_end_is_told_by_an_init_that_was_told_to_ignore_chld() {
    let test = testkit::begin!();
    holds(&test, "CHLD ignored", AsSeen, exit::children_ignored);
}

#[test]
fn needs_root_the_end_of_the_command_is_the_inits_whoever_is_left() {
    let test = testkit::begin!();
    holds(
        &test,
        "orphans at the end",
        AsSeen,
        exit::with_orphans_alive,
    );
}

#[test]
fn needs_root_a_command_starts_with_all_blocked_and_ignored_as_the_init_did() {
    let test = testkit::begin!();
    holds(&test, "everything off", AsSeen, start::everything_off);
}

#[test]
fn needs_root_a_command_is_found_in_path() {
    let test = testkit::begin!();
    holds(&test, "found in PATH", AllPass, start::found_in_path);
}

#[test]
fn needs_root_signals_of_the_c_library_reach_the_command() {
    let test = testkit::begin!();
    holds(&test, "signals 32 and 33", AsSeen, signals::of_the_library);
}

#[test]
fn needs_root_a_chld_that_is_sent_is_the_inits_own() {
    let test = testkit::begin!();
    holds(&test, "CHLD sent", AsSeen, signals::child_signal);
}

#[test]
fn needs_root_a_flood_of_values_arrives_in_order() {
    let test = testkit::begin!();
    holds(&test, "flood of values", SomeFails, signals::flood);
}

#[test]
fn needs_root_values_wait_for_a_stopped_command() {
    let test = testkit::begin!();
    holds(
        &test,
        "values while stopped",
        SomeFails,
        signals::to_a_stopped_command,
    );
}

#[test]
fn needs_root_a_shell_sees_its_job_stop_and_go_on() {
    let test = testkit::begin!();
    holds(&test, "terminal: job stops", AsSeen, job_control::job_stops);
}

#[test]
fn needs_root_a_job_that_goes_on_in_the_background_leaves_the_terminal_to_the_shell() {
    let test = testkit::begin!();
    holds(
        &test,
        "terminal: job goes on in background",
        AsSeen,
        job_control::job_goes_on_in_background,
    );
}

#[test]
fn needs_root_a_job_that_was_started_in_the_background_can_be_brought_to_the_foreground() {
    let test = testkit::begin!();
    holds(
        &test,
        "terminal: job comes from background",
        AsSeen,
        job_control::job_comes_from_background,
    );
}

#[test]
fn needs_root_a_running_job_that_is_brought_to_the_foreground_can_read() {
    let test = testkit::begin!();
    holds(
        &test,
        "terminal: running job gets it",
        AsSeen,
        job_control::running_job_gets_terminal,
    );
}

#[test]
fn needs_root_a_session_of_its_own_takes_the_containers_terminal_along() {
    let test = testkit::begin!();
    holds(
        &test,
        "terminal: own session",
        AsSeen,
        job_control::own_session,
    );
}
