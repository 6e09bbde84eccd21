//! Colours, where they are wanted.

use anstream::AutoStream;
use anstream::ColorChoice;
use anstream::stream::RawStream;
use clap::builder::styling::{AnsiColor, Style};

/// Text as it is.
pub(crate) const PLAIN: Style = Style::new();

/// The styles of the output; all of them empty where it is to be plain.
///
/// Written as `{red}text{red:#}`.
#[derive(Clone, Copy)]
pub(crate) struct Styles {
    pub(crate) bold: Style,
    pub(crate) dim: Style,
    pub(crate) red: Style,
    pub(crate) green: Style,
    pub(crate) yellow: Style,
    pub(crate) blue: Style,
    pub(crate) magenta: Style,
    pub(crate) cyan: Style,
}

impl Styles {
    /// As `stream` wants it: none unless it is a terminal, none with `NO_COLOR`.
    pub(crate) fn of(stream: &impl RawStream) -> Self {
        match AutoStream::choice(stream) {
            ColorChoice::Never => Self::plain(),
            _ => Self::coloured(),
        }
    }

    /// No styles.
    pub(crate) const fn plain() -> Self {
        Self {
            bold: PLAIN,
            dim: PLAIN,
            red: PLAIN,
            green: PLAIN,
            yellow: PLAIN,
            blue: PLAIN,
            magenta: PLAIN,
            cyan: PLAIN,
        }
    }

    fn coloured() -> Self {
        Self {
            bold: Style::new().bold(),
            dim: Style::new().dimmed(),
            red: AnsiColor::Red.on_default().bold(),
            green: AnsiColor::Green.on_default(),
            yellow: AnsiColor::Yellow.on_default(),
            blue: AnsiColor::Blue.on_default(),
            magenta: AnsiColor::Magenta.on_default(),
            cyan: AnsiColor::Cyan.on_default(),
        }
    }

    /// True if there are any.
    pub(crate) fn are_on(&self) -> bool {
        !self.bold.is_plain()
    }
}
