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

/// The URL without its password, wherever one can stand: after the user, or among the options. Of a
/// password with an `@` or `/` in it that should have been encoded nothing is shown either.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        write!(f, "{scheme}://")?;
        let rest = match rest.rsplit_once('@') {
            Some((login, rest)) => {
                let user = login.split(':').next().unwrap_or_default();
                write!(f, "{user}@")?;
                rest
            }
            None => rest,
        };
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        f.write_str(place)?;
        let shown = options
            .split('&')
            .filter(|option| !option.is_empty() && !option.starts_with("password="));
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
