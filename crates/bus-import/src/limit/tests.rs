use super::*;

#[test]
fn a_text_that_fits_is_unchanged() {
    let text = "é\u{1}\n".repeat(1000);
    assert_eq!(cap(&text), text);
}

#[test]
fn a_text_of_control_characters_stays_under_the_limit_in_json_form() {
    let capped = cap(&"\u{1}".repeat(5 << 20));
    let encoded = serde_json::to_string(&capped).unwrap().len();
    assert!(encoded <= MAX_TEXT_BYTES + 64, "{encoded}");
    assert!(capped.ends_with(" bytes left out]"));
}

#[test]
fn the_mark_says_how_many_bytes_are_missing() {
    let capped = cap(&"x".repeat(MAX_TEXT_BYTES + 7));
    assert!(capped.ends_with("x… [7 bytes left out]"));
}

#[test]
fn texts_of_one_event_share_its_room() {
    let mut room = Room::default();
    let half = "x".repeat(MAX_TEXT_BYTES / 2 + 1);
    assert_eq!(room.take(&half), half);
    assert!(room.take(&half).ends_with("… [2 bytes left out]"));
    assert!(room.is_full());
}

#[test]
fn ids_are_cut_between_characters() {
    let id = cap_id(&"é".repeat(400));
    assert_eq!(id.len(), 512);
    assert_eq!(cap_id("short"), "short");
    assert_eq!(cap_id(&format!("x{}", "é".repeat(400))).len(), 511);
}

#[test]
fn json_over_the_limit_is_kept_as_cut_text() {
    let big = format!("[{}1]", "1,".repeat(MAX_TEXT_BYTES));
    assert!(cap_json(&big).as_str().starts_with(r#"{"raw":"[1,1"#));
    assert_eq!(cap_json("0.10").as_str(), "0.10");
}
