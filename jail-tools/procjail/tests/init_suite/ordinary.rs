//! Inits that are a process like any other.

use crate::scenarios::{early, exit, job_control, processes, signals, start};
use crate::subject::Place;
use crate::table::Peers::{AllPass, AsSeen, SomeFails};
use crate::table::judge;

#[test]
fn exit_codes_are_the_commands() {
    judge(Place::Ordinary, "exit codes", AllPass, exit::codes);
}

#[test]
fn death_by_a_signal_is_128_and_its_number() {
    judge(Place::Ordinary, "death by signal", AllPass, exit::deaths);
}

#[test]
fn a_command_that_cannot_be_executed_is_126_or_127() {
    judge(Place::Ordinary, "exec failures", AsSeen, exit::no_command);
}

#[test]
fn an_exit_code_is_forgiven_where_asked() {
    judge(Place::Ordinary, "forgiven code", AsSeen, exit::forgiven);
}

#[test]
fn every_standard_signal_reaches_the_command() {
    judge(
        Place::Ordinary,
        "standard signals",
        AsSeen,
        signals::standard,
    );
}

#[test]
fn signals_of_job_control_reach_the_command() {
    judge(
        Place::Ordinary,
        "job control signals",
        AsSeen,
        signals::job_control,
    );
}

#[test]
fn every_real_time_signal_reaches_the_command() {
    judge(
        Place::Ordinary,
        "real-time signals",
        AsSeen,
        signals::real_time,
    );
}

#[test]
fn a_plain_term_reaches_an_established_command() {
    judge(Place::Ordinary, "plain TERM", AllPass, signals::plain_term);
}

#[test]
fn the_group_gets_signals_where_asked() {
    judge(
        Place::Ordinary,
        "signals to the group",
        AllPass,
        signals::group,
    );
}

#[test]
fn values_and_claimed_users_arrive_in_order() {
    judge(Place::Ordinary, "values", SomeFails, signals::values);
}

#[test]
fn a_burst_of_all_real_time_signals_loses_none() {
    judge(
        Place::Ordinary,
        "burst of values",
        SomeFails,
        signals::burst,
    );
}

#[test]
fn the_sender_is_named_where_it_is_visible() {
    judge(Place::Ordinary, "sender", SomeFails, signals::sender);
}

#[test]
fn standard_signals_coalesce_and_never_vanish() {
    judge(Place::Ordinary, "coalescing", AsSeen, signals::coalesced);
}

#[test]
fn a_signal_is_rewritten_where_asked() {
    judge(
        Place::Ordinary,
        "rewritten signal",
        AsSeen,
        signals::rewritten,
    );
}

#[test]
fn a_signal_is_dropped_where_asked() {
    judge(Place::Ordinary, "dropped signal", AsSeen, signals::dropped);
}

#[test]
fn the_parents_death_is_told_where_asked() {
    judge(
        Place::Ordinary,
        "parent's death",
        AsSeen,
        signals::parent_death,
    );
}

#[test]
fn a_command_starts_with_nothing_blocked_or_ignored() {
    judge(Place::Ordinary, "plain mask", AsSeen, start::plain_signals);
}

#[test]
fn a_command_starts_with_the_masks_and_dispositions_of_the_init() {
    judge(Place::Ordinary, "odd mask", AsSeen, start::odd_signals);
}

#[test]
fn a_command_has_no_descriptor_of_the_inits() {
    judge(Place::Ordinary, "descriptors", AsSeen, start::descriptors);
}

#[test]
fn arguments_arrive_byte_for_byte() {
    judge(Place::Ordinary, "arguments", AllPass, start::arguments);
}

#[test]
fn environment_directory_and_umask_are_passed_on() {
    judge(
        Place::Ordinary,
        "surroundings",
        AllPass,
        start::surroundings,
    );
}

#[test]
fn a_command_has_a_group_of_its_own() {
    judge(Place::Ordinary, "own group", AsSeen, start::own_group);
}

#[test]
fn a_command_has_a_session_of_its_own_where_asked() {
    judge(Place::Ordinary, "own session", AsSeen, start::own_session);
}

#[test]
fn a_subreaper_reaps_orphans_outside_a_namespace() {
    judge(Place::Ordinary, "subreaper", AsSeen, processes::subreaper);
}

#[test]
fn orphans_are_reaped_while_signals_arrive() {
    judge(
        Place::Ordinary,
        "orphans and signals",
        AsSeen,
        processes::orphans_and_signals,
    );
}

#[test]
fn a_stopped_command_goes_on_at_cont() {
    judge(
        Place::Ordinary,
        "stop and continue",
        AsSeen,
        processes::stopped,
    );
}

#[test]
fn a_command_reads_from_its_terminal() {
    judge(
        Place::Ordinary,
        "terminal: reading",
        AsSeen,
        job_control::reads,
    );
}

#[test]
fn ctrl_c_arrives_exactly_once() {
    judge(Place::Ordinary, "terminal: ^C", AsSeen, job_control::ctrl_c);
}

#[test]
fn ctrl_z_without_a_shell_stops_nothing() {
    judge(
        Place::Ordinary,
        "terminal: ^Z without a shell",
        AsSeen,
        job_control::ctrl_z_without_a_shell,
    );
}

#[test]
fn a_command_at_a_terminal_is_stopped_on_purpose_and_continued() {
    judge(
        Place::Ordinary,
        "terminal: stopped on purpose",
        AsSeen,
        job_control::stopped_on_purpose,
    );
}

#[test]
fn a_script_that_is_a_shells_job_stops_whole() {
    judge(
        Place::Ordinary,
        "terminal: job is a script",
        AsSeen,
        job_control::job_is_a_script,
    );
}

#[test]
fn what_is_redirected_leaves_the_terminal_to_its_script() {
    judge(
        Place::Ordinary,
        "terminal: redirected",
        AsSeen,
        job_control::redirected,
    );
}

#[test]
fn the_terminal_is_given_back_to_the_script() {
    judge(
        Place::Ordinary,
        "terminal: given back",
        AsSeen,
        job_control::given_back,
    );
}

#[test]
fn a_term_soon_after_the_start_is_not_lost() {
    judge(Place::Ordinary, "early TERM", AsSeen, early::unprepared);
}

#[test]
fn a_term_soon_after_a_start_with_all_blocked_is_not_lost() {
    judge(
        Place::Ordinary,
        "early TERM, all blocked",
        AsSeen,
        early::prepared,
    );
}

#[test]
fn a_term_after_the_init_has_taken_it_over_is_not_lost() {
    judge(
        Place::Ordinary,
        "early TERM, taken over",
        AsSeen,
        early::taken_over,
    );
}

#[test]
fn a_job_in_the_background_does_not_take_the_terminal() {
    judge(
        Place::Ordinary,
        "terminal: not taken",
        AsSeen,
        job_control::not_taken,
    );
}

#[test]
fn an_end_is_told_by_an_init_that_was_told_to_ignore_chld() {
    judge(
        Place::Ordinary,
        "CHLD ignored",
        AsSeen,
        exit::children_ignored,
    );
}

#[test]
fn the_end_of_the_command_is_the_inits_whoever_is_left() {
    judge(
        Place::Ordinary,
        "orphans at the end",
        AsSeen,
        exit::with_orphans_alive,
    );
}

#[test]
fn a_command_starts_with_all_blocked_and_ignored_as_the_init_did() {
    judge(
        Place::Ordinary,
        "everything off",
        AsSeen,
        start::everything_off,
    );
}

#[test]
fn a_command_is_found_in_path() {
    judge(
        Place::Ordinary,
        "found in PATH",
        AllPass,
        start::found_in_path,
    );
}

#[test]
fn signals_of_the_c_library_reach_the_command() {
    judge(
        Place::Ordinary,
        "signals 32 and 33",
        AsSeen,
        signals::of_the_library,
    );
}

#[test]
fn a_chld_that_is_sent_is_the_inits_own() {
    judge(Place::Ordinary, "CHLD sent", AsSeen, signals::child_signal);
}

#[test]
fn a_flood_of_values_arrives_in_order() {
    judge(
        Place::Ordinary,
        "flood of values",
        SomeFails,
        signals::flood,
    );
}

#[test]
fn values_wait_for_a_stopped_command() {
    judge(
        Place::Ordinary,
        "values while stopped",
        SomeFails,
        signals::to_a_stopped_command,
    );
}

#[test]
fn a_shell_sees_its_job_stop_and_go_on() {
    judge(
        Place::Ordinary,
        "terminal: job stops",
        AsSeen,
        job_control::job_stops,
    );
}

#[test]
fn a_job_that_goes_on_in_the_background_leaves_the_terminal_to_the_shell() {
    judge(
        Place::Ordinary,
        "terminal: job goes on in background",
        AsSeen,
        job_control::job_goes_on_in_background,
    );
}

#[test]
fn a_job_that_was_started_in_the_background_can_be_brought_to_the_foreground() {
    judge(
        Place::Ordinary,
        "terminal: job comes from background",
        AsSeen,
        job_control::job_comes_from_background,
    );
}

#[test]
fn a_running_job_that_is_brought_to_the_foreground_can_read() {
    judge(
        Place::Ordinary,
        "terminal: running job gets it",
        AsSeen,
        job_control::running_job_gets_terminal,
    );
}

#[test]
fn a_session_of_its_own_leaves_the_terminal_to_the_shell() {
    judge(
        Place::Ordinary,
        "terminal: own session",
        AsSeen,
        job_control::own_session,
    );
}
