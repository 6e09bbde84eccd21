use super::*;
use bus_core::Event;

fn bytes(event: SessionEvent) -> usize {
    Event::from(event).to_json().as_str().len()
}

#[test]
fn events_have_the_sizes_that_the_page_says() {
    assert!(matches!(chunk(), SessionEvent::TextChunk(text) if text.len() == 40));
    assert!((90..180).contains(&bytes(usage(7))), "{}", bytes(usage(7)));
    assert!(
        (2048..2304).contains(&bytes(tool_output())),
        "{}",
        bytes(tool_output())
    );
}

#[test]
fn the_mix_is_80_15_5() {
    let count = |wanted: fn(&SessionEvent) -> bool| (0..100).map(mixed).filter(wanted).count();
    assert_eq!(
        count(|event| matches!(event, SessionEvent::TextChunk(_))),
        80
    );
    assert_eq!(
        count(|event| matches!(event, SessionEvent::TokenUsage(_))),
        15
    );
    assert_eq!(
        count(|event| matches!(event, SessionEvent::ToolCallComplete { .. })),
        5
    );
}

#[test]
fn usage_is_what_must_be_durable() {
    assert!(usage(1).is_durable());
    assert!(!chunk().is_durable());
}
