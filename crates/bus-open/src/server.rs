//! The address of a log on a server, which may hold a password.

use std::fmt;

/// A server's URL as it was given. Whatever shows it leaves the password out.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ServerUrl(String);

impl ServerUrl {
    pub(crate) fn new(url: &str) -> Self {
        Self(url.to_owned())
    }

    /// With the password, for the backend alone.
    pub(crate) fn with_password(&self) -> &str {
        &self.0
    }
}

/// Options that hold nothing secret. Any other may: a password, or one that was mistyped.
const SHOWN: &[&str] = &[
    "application_name",
    "call_timeout",
    "connect_timeout",
    "domain",
    "durability",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "max_connections",
    "pool_timeout",
    "prefix",
    "replicas",
    "schema",
    "sentinel",
    "sslmode",
    "sslrootcert",
    "statement_timeout",
    "storage",
    "target_session_attrs",
    "tcp_user_timeout",
    "timeout",
    "tls_ca",
];

/// The URL without its password, wherever one can stand: after the user, or among the options, of
/// which only those are shown that are known to hold none. Of a password with an `@`, `/` or `?` in it
/// that should have been encoded nothing is shown either: then the place is left out.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        write!(f, "{scheme}://")?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        // A question mark in a password cuts it off from its `@`, which then stands in what looks like
        // an option.
        let place = match place.rsplit_once('@') {
            Some((login, place)) => {
                let user = login.split([':', '/']).next().unwrap_or_default();
                // NATS takes what stands alone for a token.
                let is_token = !login.contains(':') && matches!(scheme, "nats" | "tls");
                if !is_token && !user.is_empty() {
                    write!(f, "{user}@")?;
                }
                place
            }
            None if options.contains('@') => return f.write_str("(not shown)"),
            None => place,
        };
        f.write_str(place)?;
        let shown = options.split('&').filter(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            SHOWN.contains(&name) && !value.contains(['@', '?'])
        });
        for (option, mark) in shown.zip(std::iter::once('?').chain(std::iter::repeat('&'))) {
            write!(f, "{mark}{option}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}
