//! Stops a server when whoever lent it has died: by Ctrl-C, or in any other way that runs no code of ours.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits for the end of its input, which comes with the end of ours. Whoever else uses the server holds the
/// lock; one that is kept up is left alone.
const SCRIPT: &str = r#"
    cat > /dev/null
    [ -e "$2" ] || exec flock --exclusive --wait 2 "$1" kill -INT "$3"
"#;

/// A process that outlives ours for a moment. Dropped in good order, it does nothing.
pub(super) struct Guard(Child);

impl Guard {
    /// None where it can't be started: then the next command stops what was left.
    pub(super) fn over(server: u32, lock: &Path, kept: &Path) -> Option<Self> {
        let mut guard = Command::new("sh");
        guard
            .args(["-c", SCRIPT, "guard"])
            .args([lock, kept])
            .arg(server.to_string())
            // Signals from our terminal are ours.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        guard.spawn().ok().map(Self)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Before its input ends.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether we are root: who we are owns what the kernel tells of us.
pub(super) fn are_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

#[cfg(test)]
mod tests;
