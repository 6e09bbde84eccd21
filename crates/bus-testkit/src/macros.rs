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
