//! Calls to the server: a connection from the pool, a time limit, and an end that is told apart:
//! done, undone, or unknown.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bus_log::{LogError, Result, ThreadKey};
use bus_remote::Turns;
use deadpool::Runtime;
use deadpool::managed::{Object, Pool, PoolError, TimeoutType};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
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

/// All that the log's futures share, on its I/O thread.
pub(crate) struct Server {
    pub(crate) statements: Statements,
    pub(crate) turns: Arc<Turns>,
    pub(crate) news: Arc<News>,
    doubts: Doubts,
    connector: Arc<Connector>,
    pool: Pool<Links>,
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
        Ok(Self {
            statements,
            turns: Arc::default(),
            news,
            doubts: Doubts::default(),
            connector,
            pool,
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
        self.news.close();
    }

    /// Calls a statement whose outcome the caller can find out by asking again.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn call(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>> {
        Ok(self.try_call(sql, parameters).await?)
    }

    async fn try_call(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        // Nothing is under way before there is a connection.
        let link = self.link().await.map_err(|error| Failure {
            error,
            unsettled: None,
        })?;
        let backend = link.backend;
        let limit = self.config().patience();
        match timeout(limit, link.client.query_typed(sql, parameters)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                if error::spoils_connection(&error) || error::spoils_all(&error) {
                    drop(Object::take(link));
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
                let_go(link);
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
        let called = self.try_call(sql, parameters).await;
        Ok(called.inspect_err(|failure| {
            if let Some(backend) = failure.unsettled {
                self.doubts.raise(key, backend);
            }
        })?)
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
            if self.call(END, &who).await?.is_empty() {
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

    async fn link(&self) -> Result<Object<Links>> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(TimeoutType::Wait) => LogError::unavailable(format!(
                "all connections are in use, of {}",
                self.config().max_connections()
            )),
            PoolError::Closed => LogError::closed("log was dropped"),
            other => LogError::internal("no connection from the pool").with_source(other),
        })
    }
}

/// Lets go of a connection on which an answer is still due. It keeps its place in the pool until that has
/// come, or the connection broke: its backend is there for as long, and one more in its place each time
/// would use up the server's connections.
fn let_go(link: Object<Links>) {
    tokio::spawn(async move {
        // Answered only after what is under way; how, does not matter.
        let _ = link.client.batch_execute("").await;
        drop(Object::take(link));
    });
}
