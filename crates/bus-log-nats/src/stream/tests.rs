use std::time::Duration;

use bus_log::LogErrorKind;
use bus_testkit::block_on;

use super::*;
use crate::NatsSessionLog;
use crate::scripted::{self, Shown};

const SUBJECTS: &str = "bus_log.v1.0123456789abcdef.>";

/// A stream as the server describes it, with other settings or more.
fn described(more: &serde_json::Value) -> Info {
    let mut info = serde_json::json!({
        "config": {
            "name": "bus_log", "subjects": [SUBJECTS], "retention": "limits", "storage": "file", "discard": "new",
            "num_replicas": 1, "allow_direct": true,
        },
        "created": "2026-01-01T00:00:00Z",
    });
    for (name, value) in more.as_object().unwrap() {
        let place = if name == "created" {
            &mut info
        } else {
            &mut info["config"]
        };
        place[name] = value.clone();
    }
    serde_json::from_value(info).unwrap()
}

fn config(url: &str) -> NatsConfig {
    NatsConfig::parse(url).unwrap()
}

const URL: &str = "nats://localhost";
const VERSION: &str = "2.12.1";

#[test]
fn settings_that_may_lose_or_hide_what_was_stored_are_refused_by_name_also_while_it_is_open() {
    let open = checked(
        described(&serde_json::json!({})),
        &config(URL),
        VERSION,
        LogError::unsupported,
    )
    .unwrap();
    for (more, word) in [
        (
            serde_json::json!({"subject_transform": {"src": ">", "dest": "a.>"}}),
            "subject_transform",
        ),
        (serde_json::json!({"persist_mode": "async"}), "persist_mode"),
        (
            serde_json::json!({"storage": "memory"}),
            "storage is memory",
        ),
        (serde_json::json!({"max_age": 1}), "max_age"),
        (
            serde_json::json!({"discard": "old", "max_bytes": 1}),
            "discard",
        ),
        (serde_json::json!({"no_ack": true}), "no_ack"),
    ] {
        let error = checked(
            described(&more),
            &config(URL),
            VERSION,
            LogError::unsupported,
        )
        .unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unsupported);
        assert!(error.to_string().contains(word), "{error}");
        let error = open
            .still(described(&more), &config(URL), VERSION)
            .unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable);
        assert!(error.to_string().contains(word), "{error}");
    }
    let asked = config("nats://localhost?replicas=1");
    let error = open.still(
        described(&serde_json::json!({"num_replicas": 3})),
        &asked,
        VERSION,
    );
    assert!(error.unwrap_err().to_string().contains("replicas are 3"));
}

#[test]
fn what_harms_nothing_is_taken_and_what_changes_is_known() {
    let open = checked(
        described(&serde_json::json!({})),
        &config(URL),
        VERSION,
        LogError::unsupported,
    )
    .unwrap();
    assert!(open.shape.alone);
    let now = open.still(
        described(&serde_json::json!({"num_replicas": 3, "persist_mode": "default"})),
        &config(URL),
        VERSION,
    );
    assert!(!now.unwrap().alone, "a stream that was given more replicas");
    let memory = described(&serde_json::json!({"storage": "memory"}));
    checked(
        memory,
        &config("nats://localhost?storage=memory"),
        VERSION,
        LogError::unsupported,
    )
    .unwrap();
}

#[test]
fn a_stream_that_was_made_anew_of_a_copy_is_no_place_to_go_on() {
    let open = checked(
        described(&serde_json::json!({})),
        &config(URL),
        VERSION,
        LogError::unsupported,
    )
    .unwrap();
    let anew = described(&serde_json::json!({"created": "2026-01-02T00:00:00Z"}));
    let error = open.still(anew, &config(URL), VERSION).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("made anew"), "{error}");
}

#[test]
fn a_limit_by_bytes_is_refused_where_the_server_deletes_to_keep_it() {
    let limited = || described(&serde_json::json!({"max_bytes": 100_000}));
    for (version, is_fit) in [
        ("2.9.10", false),
        ("2.10.5", false),
        ("2.10.6", true),
        ("2.11.0-preview.1", true),
        ("2.12.1", true),
    ] {
        let found = checked(limited(), &config(URL), version, LogError::unsupported);
        assert_eq!(found.is_ok(), is_fit, "{version}");
    }
}

#[test]
fn a_stream_that_several_keep_is_waited_for_however_little_time_an_answer_may_take() {
    let (shown, mut is_made) = (Shown::new(), false);
    let config = scripted::server(move |subject: &str, asked: &[u8]| {
        if subject.contains("STREAM.CREATE") {
            is_made = true;
            return shown.answer("$JS.API.STREAM.INFO.bus_log", b"{}");
        }
        if is_made {
            return shown.answer(subject, asked);
        }
        let told = "stream not found";
        Some(
            serde_json::json!({ "error": { "code": 404, "err_code": 10059, "description": told } }),
        )
    });
    let config = config.with_call_timeout(Duration::from_millis(500));
    block_on(NatsSessionLog::open_with(config)).unwrap();
}

/// A server that has no stream, and whose folder for one is taken away so often.
fn without_folder(times: usize) -> NatsConfig {
    let (shown, mut asked_to_make) = (Shown::new(), 0);
    let told = |code: u16, err_code: u32, why: &str| {
        let error = serde_json::json!({ "code": code, "err_code": err_code, "description": why });
        Some(serde_json::json!({ "error": error }))
    };
    scripted::server(move |subject: &str, asked: &[u8]| {
        if subject.contains("STREAM.CREATE") {
            asked_to_make += 1;
            if asked_to_make <= times {
                return told(500, 10049, "error creating store for stream");
            }
            return shown.answer("$JS.API.STREAM.INFO.bus_log", b"{}");
        }
        if asked_to_make > times {
            return shown.answer(subject, asked);
        }
        told(404, 10059, "stream not found")
    })
}

#[test]
fn a_stream_whose_folder_another_s_end_took_away_is_made_again() {
    block_on(NatsSessionLog::open_with(without_folder(3))).unwrap();
}

#[test]
fn a_stream_whose_folder_can_t_be_made_is_no_wait_without_end() {
    let opened = block_on(NatsSessionLog::open_with(without_folder(usize::MAX)));
    let error = opened.err().unwrap();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("store for stream"), "{error}");
}
