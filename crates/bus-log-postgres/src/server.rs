//! Calls to the server: a connection from the pool, a time limit, and an end that is told apart:
//! done, undone, or unknown.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bus_log::{LogError, Result, ThreadKey};
use bus_remote::Turns;
use deadpool::Runtime;
use deadpool::managed::{Object, Pool, PoolError, TimeoutType, Timeouts};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::config::PostgresConfig;
use crate::connect::{Backend, Connector, Links};
use crate::doubts::Doubts;
use crate::error;
use crate::news::News;
use crate::schema::Statements;

/// A parameter and its type: so typed, a call needs no round trip to be prepared, and nothing that is
/// prepared stays behind on a connection.
pub(crate) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// How long between two looks at a backend that was told to end, at first and in the end.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(64));

/// How often a call is made whose wait for a standby somebody cancels again and again.
const TRIES: usize = 3;

/// All that the log's futures share, on its I/O thread.
pub(crate) struct Server {
    pub(crate) statements: Statements,
    pub(crate) turns: Arc<Turns>,
    pub(crate) news: Arc<News>,
    doubts: Doubts,
    connector: Arc<Connector>,
    pool: Pool<Links>,
    /// Places in the pool for calls that commit. There is one fewer than the pool has, where it has more than one: all of
    /// them may wait for a standby, for as long as it is away, and what does not commit is still answered.
    commits: Arc<Semaphore>,
    places: usize,
}

/// What a call may wait for, and what becomes of it if its answer does not come in time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It tells what is there. The server is told to give it up.
    Question,
    /// It commits, so it may wait for a standby, but nobody sees by that what he did not see before. The server is told
    /// to give it up: its own time limit does not end such a wait.
    Sure,
    /// It commits, and is left to wait: cancelled while it waits for a standby, its change would be seen by all without.
    Change,
}

/// A connection from the pool, with its place among those that commit if it does.
struct Held {
    link: Object<Links>,
    place: Option<OwnedSemaphorePermit>,
}

/// What a call gave.
struct Answer {
    rows: Vec<Row>,
    /// Whose commit may not have waited for the standbys, if it is one: somebody cancelled that wait.
    cut_short: Option<Backend>,
}

/// Why a call has no result.
pub(crate) struct Failure {
    pub(crate) error: LogError,
    /// Who may still be at it, where the outcome is not known.
    pub(crate) unsettled: Option<Backend>,
}

impl From<Failure> for LogError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Server {
    /// # Errors
    ///
    /// `Invalid` if the configuration can't be followed.
    pub(crate) fn new(config: PostgresConfig, open: mpsc::Sender<Infallible>) -> Result<Self> {
        let statements = Statements::of(config.schema());
        let news = Arc::new(News::new(config.schema(), config.poll_interval()));
        let connector = Arc::new(Connector::new(config, open)?);
        let pool = Pool::builder(Links(Arc::clone(&connector)))
            .max_size(connector.config().max_connections())
            .wait_timeout(Some(connector.config().pool_timeout()))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| LogError::internal("no pool").with_source(error))?;
        let places = (connector.config().max_connections() - 1).max(1);
        Ok(Self {
            statements,
            turns: Arc::default(),
            news,
            doubts: Doubts::default(),
            connector,
            pool,
            commits: Arc::new(Semaphore::new(places)),
            places,
        })
    }

    pub(crate) const fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    pub(crate) fn config(&self) -> &PostgresConfig {
        self.connector.config()
    }

    /// Lets go of all connections.
    pub(crate) fn close(&self) {
        self.connector.close();
        self.pool.close();
        self.commits.close();
        self.news.close();
    }

    /// Calls a statement that tells what is there, and commits nothing.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn ask(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
        Ok(self.try_call(sql, parameters, Kind::Question).await?.rows)
    }

    /// Calls a statement that commits, and whose outcome the caller can find out by asking again.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn call(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
        for _ in 0..TRIES {
            let answer = self.try_call(sql, parameters, Kind::Sure).await?;
            if answer.cut_short.is_none() {
                return Ok(answer.rows);
            }
        }
        Err(LogError::unavailable(
            "the wait for a standby was cancelled, again and again",
        ))
    }

    async fn try_call(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        kind: Kind,
    ) -> Result<Answer, Failure> {
        // Nothing is under way before there is a connection.
        let held = self.link(kind).await.map_err(|error| Failure {
            error,
            unsettled: None,
        })?;
        let backend = held.link.backend;
        let limit = self.config().patience();
        // What came before is of no call of ours.
        held.link.was_warned();
        match timeout(limit, held.link.client.query_typed(sql, parameters)).await {
            Ok(Ok(rows)) => {
                let cut_short = held.link.was_warned().then_some(backend);
                if cut_short.is_some() {
                    // Whoever doubts the call may end its backend: nobody else is to be on it then.
                    drop(Object::take(held.link));
                }
                Ok(Answer { rows, cut_short })
            }
            Ok(Err(error)) => {
                if error::spoils_connection(&error) || error::spoils_all(&error) {
                    drop(Object::take(held.link));
                }
                if error::spoils_all(&error) {
                    self.pool.retain(|_, _| false);
                }
                Err(Failure {
                    unsettled: (!error::is_undone(&error)).then_some(backend),
                    error: error::refused("call failed", error),
                })
            }
            Err(_) => {
                self.let_go(held, kind);
                // A server that hangs on one connection most likely hangs on all.
                self.pool.retain(|_, _| false);
                Err(Failure {
                    unsettled: Some(backend),
                    error: LogError::unavailable(format!(
                        "server does not answer within {limit:?}"
                    )),
                })
            }
        }
    }

    /// Calls a statement that changes what later appends of the key build on: an append, an erasure.
    /// Before that, what an earlier one may still be doing is settled. The caller holds the key's turn.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn change(
        &self,
        key: &ThreadKey,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        if let Some(backend) = self.doubts.of(key) {
            self.settle(backend).await?;
            self.outlast(key).await?;
            self.doubts.settled(key);
        }
        let called = self.try_call(sql, parameters, Kind::Change).await;
        let answer = called.inspect_err(|failure| {
            if let Some(backend) = failure.unsettled {
                self.doubts.raise(key, backend);
            }
        })?;
        if let Some(backend) = answer.cut_short {
            // It is to be seen by all, and not yet on the standbys.
            let outlasted = self.outlast(key).await;
            outlasted.inspect_err(|_| self.doubts.raise(key, backend))?;
        }
        Ok(answer.rows)
    }

    /// Ends a backend that may still be at a call whose answer was lost, and sees it gone. Only then
    /// has that call happened or not: otherwise it could still happen after its own retry.
    ///
    /// One that has committed and waits for a synchronous standby is left to wait. Ending it would show
    /// what it committed to all, without the standby.
    async fn settle(&self, backend: Backend) -> Result<()> {
        const END: &str = "
            SELECT CASE WHEN wait_event = 'SyncRep' THEN false ELSE pg_terminate_backend(pid) END
              FROM pg_catalog.pg_stat_activity
             WHERE pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::int8 = $2";
        let Backend { pid, started } = backend;
        let deadline = Instant::now() + self.config().patience();
        let mut again = LOOK_AGAIN.0;
        loop {
            let who: [Parameter<'_>; 2] = [(&pid, Type::INT4), (&started, Type::INT8)];
            if self.ask(END, &who).await?.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(LogError::unavailable(format!(
                    "a call whose answer was lost is still under way, in backend {pid}"
                )));
            }
            sleep(again).await;
            again = (again * 2).min(LOOK_AGAIN.1);
        }
    }

    /// Waits until what is there of the key is as safe as an append that was acknowledged: the call that
    /// was settled may have committed and lost its backend while it waited for a synchronous standby.
    /// A commit after it waits for that standby too.
    async fn outlast(&self, key: &ThreadKey) -> Result<()> {
        let (tenant, thread) = (
            key.tenant_id().as_str().as_bytes(),
            key.thread_id().as_bytes(),
        );
        let parameters: [Parameter<'_>; 2] = [(&tenant, Type::BYTEA), (&thread, Type::BYTEA)];
        self.call(&self.statements.outlast, &parameters).await?;
        Ok(())
    }

    /// Lets go of a connection on which an answer is still due. It keeps its place in the pool until that has
    /// come, or the connection broke: its backend is there for as long, and one more in its place each time
    /// would use up the server's connections.
    fn let_go(&self, held: Held, kind: Kind) {
        let connector = Arc::clone(&self.connector);
        tokio::spawn(async move {
            let Held { link, place } = held;
            if kind != Kind::Change {
                connector.cancel(&link).await;
            }
            // Answered only after what is under way; how, does not matter.
            let _ = link.client.batch_execute("").await;
            drop(Object::take(link));
            drop(place);
        });
    }

    async fn link(&self, kind: Kind) -> Result<Held> {
        let until = Instant::now() + self.config().pool_timeout();
        let closed = || LogError::closed("log was dropped");
        let place = if kind == Kind::Question {
            None
        } else {
            let place = timeout_at(until, Arc::clone(&self.commits).acquire_owned()).await;
            let place = place.map_err(|_| {
                LogError::unavailable(format!(
                    "all connections for calls that commit are in use, of {}",
                    self.places
                ))
            })?;
            Some(place.map_err(|_| closed())?)
        };
        let limits = Timeouts {
            wait: Some(until.saturating_duration_since(Instant::now())),
            ..self.pool.timeouts()
        };
        let link = self.pool.timeout_get(&limits).await;
        let link = link.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(TimeoutType::Wait) => LogError::unavailable(format!(
                "all connections are in use, of {}",
                self.config().max_connections()
            )),
            PoolError::Closed => closed(),
            other => LogError::internal("no connection from the pool").with_source(other),
        })?;
        Ok(Held { link, place })
    }
}
