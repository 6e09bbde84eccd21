//! The laws of a session log, one function each.
//!
//! Each takes a [`Harness`](crate::Harness) with an empty store, and panics with the law, the log
//! and the fact that does not hold. [`laws!`](crate::laws!) makes a test of each.

mod append;
mod archive;
mod content;
mod durable;
mod erase;
mod errors;
mod follow;
mod isolation;
mod read;
mod runtime;

pub use append::{
    a1_ordinals_count_from_one, a2_an_ordinal_is_never_reused,
    a6_expectations_hold_or_nothing_is_written,
};
pub use archive::{
    w1_archiving_hides_and_counts, w2_a_watermark_past_the_end_is_clamped,
    w3_watermark_and_last_ordinal_survive,
};
pub use content::{a7_what_goes_in_comes_out_equal, a8_an_oversized_event_is_refused_whole};
pub use durable::{
    a3_a_batch_is_atomic, a4_concurrent_appends_keep_every_batch_whole,
    a5_what_was_acknowledged_or_seen_is_kept,
};
pub use erase::x1_erased_events_are_gone;
pub use errors::e1_errors_say_what_to_do;
pub use follow::f1_follow_gives_every_event_once_and_in_order;
pub use isolation::{i1_no_two_keys_share_a_record, i2_lists_name_their_own_and_all_of_them};
pub use read::{l1_load_since_gives_all_after_the_cursor, l2_pages_are_bounded_and_join_up};
pub use runtime::{
    c1_a_dropped_append_is_whole_or_absent, r1_futures_run_under_any_executor,
    r2_dropping_the_log_lets_go_of_everything,
};
