//! Finding the log, or making it.

use std::sync::Arc;
use std::time::Instant;

use bus_log::{LogError, Result};
use redis::RedisError;

use crate::link::Link;
use crate::schema::{PARTS_IN_CLUSTER, Part, Script, VERSION};
use crate::server::{Server, random};

/// Which log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: String,
    pub(crate) parts: u16,
}

/// A part's record: identity, version, parts, and whether all are made.
type Found = (Option<String>, Option<u32>, Option<u16>, Option<u32>);

impl Server {
    /// Finds the log, or makes it where that is asked, and remembers who it is. `false` if there is none.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the server can't be reached or refuses; `Unsupported` if it, or the log, is not for us.
    pub(crate) async fn find_log(&self) -> Result<bool> {
        let first = Part::new(self.config().prefix(), 0);
        let link = self.nodes.link(first.slot, Instant::now()).await?;
        link.settings.warn(self.config());
        // By a script, like all else: it is sent after a part that is on its way to another node.
        let found = self.read(&first, Script::Look, &[first.log()], &[]).await?;
        let (id, version, parts, made): Found =
            redis::from_redis_value(found).map_err(|error| unreadable(error.into()))?;
        let is_whole = parts == Some(1) || made.is_some();
        let log = match id {
            Some(id) if is_whole => Identity {
                id,
                parts: parts.unwrap_or(1),
            },
            // It may be half made.
            id if self.config().creates() => self.make(&link, id, parts).await?,
            _ => return Ok(false),
        };
        if version.is_some_and(|version| version > VERSION) {
            return Err(LogError::unsupported(format!(
                "log {} is of version {}, this program knows up to {VERSION}",
                self.config().prefix(),
                version.unwrap_or_default()
            )));
        }
        self.log.get_or_init(|| log);
        Ok(true)
    }

    /// Makes each part's record, and last says that all are made: in a cluster, once the replicas that a change waits for
    /// have all of them. Otherwise a failover could take away some for good, as a log that is whole is not made again.
    async fn make(&self, link: &Link, id: Option<String>, parts: Option<u16>) -> Result<Identity> {
        let wanted = match link.settings.is_cluster {
            true => PARTS_IN_CLUSTER,
            false => 1,
        };
        let mut log = Identity {
            id: id.unwrap_or_else(random),
            parts: parts.unwrap_or(wanted),
        };
        let (mut part, mut places): (_, Vec<Arc<Link>>) = (0, Vec::new());
        while part < log.parts {
            let place = Part::new(self.config().prefix(), part);
            let (version, parts) = (VERSION.to_string(), log.parts.to_string());
            let arguments = [log.id.as_bytes(), version.as_bytes(), parts.as_bytes()];
            let (at, made) = self
                .read_by(
                    Link::for_changes,
                    &place,
                    Script::Make,
                    &[place.log()],
                    &arguments,
                )
                .await?;
            let (id, _, parts, _): Found =
                redis::from_redis_value(made).map_err(|error| unreadable(error.into()))?;
            let found = Identity {
                id: id.unwrap_or_default(),
                parts: parts.unwrap_or(1),
            };
            if part > 0 && found != log {
                return Err(LogError::unavailable(format!(
                    "part {part} is of another log: some of the cluster's nodes have lost theirs"
                )));
            }
            // Somebody else may have been first.
            log = found;
            part += 1;
            // The first says which log it is: were it lost, the others would be of another one for ever.
            if part == 1 && log.parts > 1 {
                self.copied(&at).await?;
            }
            // One wait covers all that went over the connection before.
            if !places.iter().any(|known| known.number == at.number) {
                places.push(at);
            }
        }
        if log.parts > 1 {
            for at in places {
                self.copied(&at).await?;
            }
            let first = Part::new(self.config().prefix(), 0);
            let (at, _) = self
                .read_by(
                    Link::for_changes,
                    &first,
                    Script::Whole,
                    &[first.log()],
                    &[],
                )
                .await?;
            self.copied(&at).await?;
        }
        Ok(log)
    }

    async fn copied(&self, link: &Link) -> Result<()> {
        match self.config().replicas() {
            0 => Ok(()),
            replicas => link.replicated(replicas).await,
        }
    }
}

fn unreadable(error: RedisError) -> LogError {
    LogError::corrupt("record of the log").with_source(error)
}
