//! What goes to standard error.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;

use super::style::Styles;

/// What the libraries are asked for. What the bus warns of, the program reports itself.
const FILTER: &str = "warn,bus_tokio=error";

/// Shows what the libraries warn of; `RUST_LOG` asks for more.
pub(crate) fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && Styles::of(&io::stderr()).are_on())
        .with_target(false)
        .without_time()
        .init();
}

/// Reports an error with its causes.
pub(crate) fn report(error: &anyhow::Error) {
    let Styles { red, dim, .. } = Styles::of(&io::stderr());
    let mut text = format!("{red}error:{red:#} {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  {dim}because:{dim:#} {cause}\n"));
    }
    write(&text);
}

/// Says something that is no result.
pub(crate) fn note(note: impl std::fmt::Display) {
    write(&format!("{note}\n"));
}

fn write(text: &str) {
    // There is nowhere left to say that standard error can't be written.
    let _ = io::stderr().write_all(text.as_bytes());
}
