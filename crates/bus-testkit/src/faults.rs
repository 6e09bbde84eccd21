//! What goes wrong between a log and its server, as tests: one public function per promise.
//!
//! **Who this is for.** Whoever writes a log that is on a server implements [`ServedLog`], and
//! has with one line a test per promise, each failing under its own name:
//!
//! ```text
//! // In tests/it/faults.rs this gives tests such as `faults::redis::a_server_that_is_paused_costs_time_only`.
//! bus_testkit::faults!(redis, Log);
//! ```
//!
//! What is promised is always the same: an append is there if it said so, and is wholly there or not at all if it said
//! otherwise; nothing of a lost call lands after what was done since; and the recipe of law E1
//! ([`append_for_sure`]) never writes twice.
//!
//! `BUS_TEST_ROUNDS` says how often to do the worst ([`rounds`]); `cargo xtask faults` sets it. What a test did it
//! prints, and each of them checks that there was something to do.

mod cuts;
mod disk;
mod gone;
mod killed;
mod network;
mod news;
mod opening;
mod processes;
mod reading;
mod recipe;
mod server;
mod settling;
mod writer;

pub use cuts::{
    a_question_that_is_cut_at_any_byte_is_whole_or_absent,
    an_answer_that_is_cut_at_any_byte_is_whole_or_absent,
    an_archiving_that_is_cut_at_any_byte_hides_all_or_nothing,
    an_erasure_that_is_cut_at_any_byte_takes_all_or_nothing,
};
pub use disk::a_server_whose_disk_is_full_loses_nothing_and_doubles_nothing;
pub use gone::{
    a_server_that_is_emptied_while_it_runs_is_no_place_to_go_on,
    an_empty_data_folder_is_no_place_to_go_on,
};
pub use killed::{
    a_server_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing,
    a_server_that_is_paused_costs_time_only, connections_that_the_server_ends_lose_nothing,
};
pub use network::{
    a_cut_follower_goes_on_where_it_was, a_thousand_refused_connections_leave_the_log_usable,
    a_thousand_tasks_at_once_are_all_served,
    an_append_that_the_network_held_back_never_lands_after_an_erasure,
    an_append_that_the_network_held_back_never_lands_after_its_retry,
    an_erasure_that_the_network_held_back_never_takes_a_later_append,
    connections_that_are_cut_at_random_lose_nothing,
};
pub use news::{
    an_append_of_another_handle_wakes_who_waits, an_append_of_its_own_wakes_who_waits,
    what_happens_while_news_are_cut_off_is_caught_up_with,
};
pub use opening::{
    a_log_that_is_made_is_whole_or_absent_wherever_its_answers_are_cut,
    a_log_that_is_made_is_whole_or_absent_wherever_its_questions_are_cut,
    an_opening_whose_answers_are_cut_at_any_byte_changes_nothing,
    an_opening_whose_questions_are_cut_at_any_byte_changes_nothing,
};
pub use processes::{
    child_that_appends_by_the_recipe,
    two_processes_on_one_thread_lose_and_double_nothing_whatever_fails,
    two_processes_write_one_thread_and_every_batch_stays_whole,
};
pub use reading::a_log_that_is_open_to_read_only_reads;
pub use recipe::{append, append_among_others, append_for_sure, texts, until_done};
pub use server::{Exchange, OnServer, ServedLog, rounds, stride};
pub use settling::{
    an_append_is_there_once_wherever_the_answers_that_settle_it_are_cut,
    an_append_is_there_once_wherever_the_questions_that_settle_it_are_cut,
};
pub use writer::{Writer, let_write};
