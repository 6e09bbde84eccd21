//! A host: one bus per session, a file log behind it, a live screen, and the log read back.
//!
//! ```sh
//! cargo run -p bus-tokio --example host_with_file_log
//! ```

use std::sync::Arc;

use bus_log_file::FileSessionLog;
use bus_tokio::{
    DurabilityPolicy, RecvError, SessionBus, SessionEvent, SessionLog, TenantId, ThreadKey,
    TokenDelta, TokenSource,
};

/// What an agent would do: stream, call a tool, say what it cost.
async fn play_a_turn(bus: &SessionBus) -> Result<(), bus_tokio::EmitError> {
    for word in ["Let", " me", " look."] {
        bus.publish(SessionEvent::TextChunk(word.into())).await?;
    }
    bus.publish(SessionEvent::TextComplete("Let me look.".into()))
        .await?;
    bus.publish(SessionEvent::ToolCallStart {
        name: "read".into(),
        arguments: r#"{"path":"README.md"}"#.into(),
    })
    .await?;
    bus.publish(SessionEvent::ToolCallComplete {
        name: "read".into(),
        output: "one page".into(),
        success: true,
        duration_ms: 3,
    })
    .await?;
    bus.publish(SessionEvent::TokenUsage(TokenDelta {
        source: TokenSource::Root,
        model: "large".into(),
        prompt_tokens: 1_200,
        completion_tokens: 80,
        duration_ms: 900,
    }))
    .await?;
    let receipt = bus.publish(SessionEvent::Done).await?;
    println!("the turn is on disk up to ordinal {:?}", receipt.ordinal);
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let key = ThreadKey::new(TenantId::new("local"), "session-1");

    {
        let log = Arc::new(FileSessionLog::open(dir.path())?);
        let bus = SessionBus::new(1024)
            .with_log(log, key.clone())
            .with_durability(DurabilityPolicy::Transcript);

        let mut events = bus.subscribe();
        let screen = tokio::spawn(async move {
            loop {
                match events.recv().await {
                    Ok(SessionEvent::TextChunk(text)) => println!("{text}"),
                    Ok(event) => println!("[{}]", event.event_type()),
                    Err(RecvError::Lagged(missed)) => println!("[{missed} events missed]"),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        play_a_turn(&bus).await?;
        bus.close().await;
        drop(bus);
        screen.await?;
    }

    // Another process, another day.
    let log = FileSessionLog::open(dir.path())?;
    for recorded in log.load_since(&key, 0).await? {
        println!("{:>2}  {}", recorded.ordinal, recorded.event.to_json());
    }
    Ok(())
}
