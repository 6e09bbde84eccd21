//! The tests of one backend.

/// Makes a module of tests for a backend: one per law, and the model check.
///
/// `$new` makes a [`Harness`](crate::Harness) with an empty store of its own each time it is called.
///
/// ```
/// // In tests/it/laws.rs this gives tests such as `laws::memory::a1_ordinals_count_from_one`.
/// use bus_testkit::MemoryHarness;
///
/// bus_testkit::laws!(memory, MemoryHarness::new);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! laws {
    ($name:ident, $new:expr $(,)?) => {
        mod $name {
            // What `$new` names is named beside the module.
            #[allow(unused_imports, reason = "a path from the root needs none of it")]
            use super::*;

            $crate::laws! { @each $new;
                a1_ordinals_count_from_one
                a2_an_ordinal_is_never_reused
                a3_a_batch_is_atomic
                a4_concurrent_appends_keep_every_batch_whole
                a5_what_was_acknowledged_or_seen_is_kept
                a6_expectations_hold_or_nothing_is_written
                a7_what_goes_in_comes_out_equal
                a8_an_oversized_event_is_refused_whole
                l1_load_since_gives_all_after_the_cursor
                l2_pages_are_bounded_and_join_up
                w1_archiving_hides_and_counts
                w2_a_watermark_past_the_end_is_clamped
                w3_watermark_and_last_ordinal_survive
                i1_no_two_keys_share_a_record
                i2_lists_name_their_own_and_all_of_them
                f1_follow_gives_every_event_once_and_in_order
                r1_futures_run_under_any_executor
                c1_a_dropped_append_is_whole_or_absent
                e1_errors_say_what_to_do
                x1_erased_events_are_gone
            }

            #[test]
            fn r2_dropping_the_log_lets_go_of_everything() {
                let test = concat!(module_path!(), "::r2_dropping_the_log_lets_go_of_everything");
                $crate::alone(test, || {
                    $crate::laws::r2_dropping_the_log_lets_go_of_everything(&($new)());
                });
            }

            #[test]
            fn model_check() {
                $crate::model::check(|| ::std::boxed::Box::new(($new)()));
            }
        }
    };
    (@each $new:expr; $($law:ident)*) => {
        $(
            #[test]
            fn $law() {
                $crate::laws::$law(&($new)());
            }
        )*
    };
}

/// Makes a module of tests for a log on a server: one per promise of [`faults`](mod@crate::faults).
///
/// `$log` is a [`ServedLog`](crate::faults::ServedLog). Each test has an [`OnServer`](crate::faults::OnServer), a server of
/// its own in the folder that cargo gives a crate's integration tests.
///
/// ```text
/// // In tests/it/faults.rs this gives tests such as `faults::redis::a_server_that_is_paused_costs_time_only`.
/// bus_testkit::faults!(redis, Log);
/// ```
#[macro_export]
macro_rules! faults {
    ($name:ident, $log:ty $(,)?) => {
        mod $name {
            // What `$log` names is named beside the module.
            #[allow(unused_imports, reason = "a path from the root needs none of it")]
            use super::*;

            fn start() -> $crate::faults::OnServer<$log> {
                $crate::faults::OnServer::start(env!("CARGO_TARGET_TMPDIR"))
            }

            $crate::faults! { @each
                a_question_that_is_cut_at_any_byte_is_whole_or_absent
                an_answer_that_is_cut_at_any_byte_is_whole_or_absent
                an_archiving_that_is_cut_at_any_byte_hides_all_or_nothing
                an_erasure_that_is_cut_at_any_byte_takes_all_or_nothing
                an_append_is_there_once_wherever_the_questions_that_settle_it_are_cut
                an_append_is_there_once_wherever_the_answers_that_settle_it_are_cut
                an_opening_whose_questions_are_cut_at_any_byte_changes_nothing
                an_opening_whose_answers_are_cut_at_any_byte_changes_nothing
                a_log_that_is_made_is_whole_or_absent_wherever_its_questions_are_cut
                a_log_that_is_made_is_whole_or_absent_wherever_its_answers_are_cut
                an_append_that_the_network_held_back_never_lands_after_its_retry
                an_append_that_the_network_held_back_never_lands_after_an_erasure
                an_erasure_that_the_network_held_back_never_takes_a_later_append
                a_thousand_refused_connections_leave_the_log_usable
                a_thousand_tasks_at_once_are_all_served
                a_cut_follower_goes_on_where_it_was
                connections_that_are_cut_at_random_lose_nothing
                connections_that_the_server_ends_lose_nothing
                a_server_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing
                a_server_that_is_paused_costs_time_only
                an_empty_data_folder_is_no_place_to_go_on
                a_server_that_is_emptied_while_it_runs_is_no_place_to_go_on
                an_append_of_another_handle_wakes_who_waits
                an_append_of_its_own_wakes_who_waits
                what_happens_while_news_are_cut_off_is_caught_up_with
                a_log_that_is_open_to_read_only_reads
            }

            /// What the processes of the tests below do; without them, nothing.
            #[test]
            fn child_that_appends_by_the_recipe() {
                $crate::faults::child_that_appends_by_the_recipe(&start);
            }

            const CHILD: &str = concat!(module_path!(), "::child_that_appends_by_the_recipe");

            #[test]
            fn two_processes_write_one_thread_and_every_batch_stays_whole() {
                $crate::faults::two_processes_write_one_thread_and_every_batch_stays_whole(&start, CHILD);
            }

            #[test]
            fn two_processes_on_one_thread_lose_and_double_nothing_whatever_fails() {
                $crate::faults::two_processes_on_one_thread_lose_and_double_nothing_whatever_fails(&start, CHILD);
            }
        }
    };
    (@each $($promise:ident)*) => {
        $(
            #[test]
            fn $promise() {
                $crate::faults::$promise(&start);
            }
        )*
    };
}
