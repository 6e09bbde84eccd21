//! A word with a server beside the log, as an operator has it with `redis-cli`.

use redis::{Client, Cmd, Connection, FromRedisValue, RedisResult};

/// A connection of the test's own.
pub(crate) struct Ask(Connection);

impl Ask {
    pub(crate) fn connect(url: &str) -> Self {
        // The database is ours to leave out, and so are the log's options.
        let url = url.split('?').next().unwrap_or(url);
        Self(Client::open(url).unwrap().get_connection().unwrap())
    }

    pub(crate) fn try_run<T: FromRedisValue>(&mut self, words: &[&str]) -> RedisResult<T> {
        let mut command = Cmd::new();
        words.iter().for_each(|word| {
            command.arg(*word);
        });
        command.query(&mut self.0)
    }

    pub(crate) fn run<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        self.try_run(words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }
}
