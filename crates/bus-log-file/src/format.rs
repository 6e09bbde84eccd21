//! The marker that makes a folder a log.

use std::fmt::Display;

use bus_log::{LogError, Result};
use serde::{Deserialize, Serialize};

use crate::fs::parent;
use crate::layout::Layout;

const FORMAT: &str = "bus-log-file";

#[derive(Serialize, Deserialize)]
struct Marker {
    format: String,
    version: u32,
}

/// Makes sure that the folder is a log of this version, making it one if it is empty or missing.
pub(crate) fn ensure(layout: &Layout) -> Result<()> {
    let root = layout.root();
    let disk = &layout.disk;
    if let Some(file) = disk.open(&layout.format())? {
        check(layout, &file.range(0, 4096)?)?;
    } else {
        let made = disk.create_dir(root)?;
        let foreign = disk.names(root)?.into_iter().find(|name| {
            let name = name.to_string_lossy();
            !matches!(&*name, "format" | "lost+found") && !name.starts_with("format.")
        });
        if let Some(name) = foreign {
            // Somebody else may have made the log since we looked.
            if let Some(file) = disk.open(&layout.format())? {
                check(layout, &file.range(0, 4096)?)?;
                return folders(layout);
            }
            return Err(LogError::invalid(format!(
                "{} is not a log and not empty: it holds {}",
                root.display(),
                name.display()
            )));
        }
        write(layout)?;
        if made && let Some(parent) = parent(root) {
            disk.sync_dir(parent)?;
        }
    }
    folders(layout)
}

/// Makes sure that the folder is a log of this version, changing nothing.
pub(crate) fn expect(layout: &Layout) -> Result<()> {
    match layout.disk.open(&layout.format())? {
        Some(file) => check(layout, &file.range(0, 4096)?),
        None => Err(LogError::invalid(format!(
            "{} holds no log",
            layout.root().display()
        ))),
    }
}

/// Checks that the folder did not become a log of another version since it was opened.
pub(crate) fn recheck(layout: &Layout) -> Result<()> {
    match layout.disk.open(&layout.format())? {
        Some(file) => check(layout, &file.range(0, 4096)?),
        // Somebody removed it; what is open goes on.
        None => Ok(()),
    }
}

/// Makes the folders that every log has.
fn folders(layout: &Layout) -> Result<()> {
    let disk = &layout.disk;
    if !disk.exists(&layout.journals())? {
        // The marker comes first: without it the folders would be those of something else. Whoever made it
        // may have been killed before this.
        disk.sync_dir(layout.root())?;
    }
    let journals = disk.create_dir(&layout.journals())?;
    if disk.create_dir(&layout.threads())? || journals {
        disk.sync_dir(layout.root())?;
    }
    Ok(())
}

/// Makes the names of the log's own folders durable, whoever made them: a process that was killed may not
/// have come to that.
pub(crate) fn sync_own_names(layout: &Layout) -> crate::fs::Result<()> {
    let root = layout.root();
    if let Some(parent) = parent(root) {
        match layout.disk.sync_dir(parent) {
            // Who may not look into the folder above made nothing in it.
            Err(error) if error.is_denied() => {}
            synced => synced?,
        }
    }
    layout.disk.sync_dir(root)
}

fn check(layout: &Layout, text: &[u8]) -> Result<()> {
    let path = layout.format();
    let marker: Marker = serde_json::from_slice(text).map_err(|error| {
        LogError::corrupt(format!("{}: not a log's marker", path.display())).with_source(error)
    })?;
    if marker.format != FORMAT {
        return Err(LogError::invalid(format!(
            "{}: not a log of this kind: {}",
            path.display(),
            marker.format
        )));
    }
    if marker.version != crate::VERSION {
        return Err(other_version(path.display(), marker.version));
    }
    Ok(())
}

/// Something of a version that can't be read here.
pub(crate) fn other_version(place: impl Display, found: u32) -> LogError {
    let ours = crate::VERSION;
    let advice = if found < ours {
        "it was never settled, and only the program that wrote it can read it"
    } else {
        "a newer program wrote it"
    };
    LogError::unsupported(format!(
        "{place}: format version {found}, this program reads version {ours}: {advice}"
    ))
}

/// Writes the marker whole or not at all. Others may do the same at the same time.
fn write(layout: &Layout) -> Result<()> {
    let marker = Marker {
        format: FORMAT.to_owned(),
        version: crate::VERSION,
    };
    // A text and a number always have a JSON form.
    let mut text = serde_json::to_vec(&marker).unwrap_or_default();
    text.push(b'\n');
    let own = format!(
        "format.{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    );
    let aside = layout.root().join(own);
    let file = layout
        .disk
        .create(&aside)?
        .ok_or_else(|| LogError::unavailable(format!("{} is gone", layout.root().display())))?;
    file.set_len(0)?;
    file.write_at(&text, 0)?;
    file.sync()?;
    layout.disk.rename(&aside, &layout.format())?;
    layout.disk.sync_dir(layout.root())?;
    Ok(())
}
