//! The tables and functions, and how they come to be.
//!
//! Each log lives in a schema of its own. Migrations are numbered SQL files; which have been run
//! stands in the table `log`. They run in one transaction, under an advisory lock: twice, or at once
//! by two processes, is the same as once.

use bus_log::{LogError, Result};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::error;
use crate::server::Parameter;

/// The first one makes the schema's first version, and so on. They are never edited: a log that has run one does not
/// run it again.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/0001_log.sql"),
    include_str!("schema/0002_sure.sql"),
];

/// Never edited either. Who it is: made with the log, so that an empty server in its place is not taken for it; and which
/// version it is of. A program that knows an older one goes on with it, unless a migration raised
/// `oldest_program` past what that program knows: so a new program locks out no older ones that run.
const LOG_TABLE: &str = "
    CREATE TABLE {schema}.log (
        one            boolean PRIMARY KEY DEFAULT true CHECK (one),
        id             uuid    NOT NULL DEFAULT gen_random_uuid(),
        version        integer NOT NULL DEFAULT 0,
        oldest_program integer NOT NULL DEFAULT 1 -- the lowest newest version that a program must know
    );
    INSERT INTO {schema}.log DEFAULT VALUES;";

/// The statements that the log calls, for one schema.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) append: String,
    pub(crate) outlast: String,
    pub(crate) read: String,
    pub(crate) bounds: String,
    pub(crate) sure_bounds: String,
    pub(crate) archive: String,
    pub(crate) erase: String,
    pub(crate) purge: String,
    pub(crate) list: String,
    pub(crate) tenants: String,
}

impl Statements {
    pub(crate) fn of(schema: &str) -> Self {
        let put = |sql: &str| named(sql, schema);
        Self {
            append: put("SELECT * FROM {schema}.append($1, $2, $3, $4, $5, $6, $7, $8)"),
            outlast: put("SELECT {schema}.outlast($1, $2)"),
            read: put("SELECT * FROM {schema}.read($1, $2, $3, $4, $5)"),
            bounds: put("SELECT * FROM {schema}.bounds($1, $2)"),
            sure_bounds: put("SELECT * FROM {schema}.sure_bounds($1, $2)"),
            archive: put("SELECT {schema}.archive($1, $2, $3)"),
            erase: put("SELECT {schema}.erase($1, $2)"),
            purge: put("SELECT {schema}.purge($1, $2, $3, $4)"),
            list: put("SELECT * FROM {schema}.list($1, $2, $3)"),
            tenants: put("SELECT * FROM {schema}.tenants($1, $2)"),
        }
    }
}

/// What is in the schema.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    /// A log that is to be migrated first.
    Older,
    /// A log that can be used, by its identity.
    Log(String),
}

/// Looks for a log in the schema, and changes nothing.
///
/// # Errors
///
/// `Unsupported` if the log is only for newer programs; otherwise what the server says.
pub(crate) async fn look(client: &Client, schema: &str) -> Result<Found> {
    let found = named("SELECT to_regclass('{schema}.log') IS NOT NULL", schema);
    if !one(client, &found).await?.get::<_, bool>(0) {
        return Ok(Found::Nothing);
    }
    let wanted = "SELECT version, oldest_program, id::text FROM {schema}.log";
    let row = one(client, &named(wanted, schema)).await?;
    let (version, oldest, newest) = (row.get::<_, i32>(0), row.get::<_, i32>(1), MIGRATIONS.len());
    if usize::try_from(oldest).unwrap_or(0) > newest {
        return Err(LogError::unsupported(format!(
            "log in schema {schema} is of version {version} and for programs that know version \
             {oldest}, this one knows up to {newest}"
        )));
    }
    if usize::try_from(version).unwrap_or(0) < newest {
        return Ok(Found::Older);
    }
    Ok(Found::Log(row.get(2)))
}

/// Brings the schema to the present version and says the log's identity.
///
/// # Errors
///
/// What the server says; nothing was changed then.
pub(crate) async fn migrate(client: &mut Client, schema: &str) -> Result<String> {
    let refused = |error| error::refused("log can't be set up", error);
    let transaction = client.transaction().await.map_err(refused)?;
    // One at a time, whoever asks: the lock goes with the transaction.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('bus-log ' || $1, 0))";
    let name: [Parameter<'_>; 1] = [(&schema, Type::TEXT)];
    transaction
        .query_typed(lock, &name)
        .await
        .map_err(refused)?;
    // CREATE … IF NOT EXISTS asks for the permission to create even where there is nothing to do.
    let exists = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
    let exists = transaction.query_typed(exists, &name).await;
    if exists.map_err(refused)?.is_empty() {
        let create = named("CREATE SCHEMA {schema}", schema);
        transaction.batch_execute(&create).await.map_err(refused)?;
    }
    let found = named("SELECT to_regclass('{schema}.log') IS NOT NULL", schema);
    let found = transaction.query_typed_one(&found, &[]).await;
    if !found.map_err(refused)?.get::<_, bool>(0) {
        let create = named(LOG_TABLE, schema);
        transaction.batch_execute(&create).await.map_err(refused)?;
    }
    let known = named("SELECT version, id::text FROM {schema}.log", schema);
    let known = transaction.query_typed_one(&known, &[]).await;
    let known = known.map_err(refused)?;
    let (version, id) = (known.get::<_, i32>(0), known.get(1));
    for migration in MIGRATIONS
        .iter()
        .skip(usize::try_from(version).unwrap_or(0))
    {
        let migration = named(migration, schema);
        transaction
            .batch_execute(&migration)
            .await
            .map_err(refused)?;
    }
    let raise = format!(
        "UPDATE {{schema}}.log SET version = {0} WHERE version < {0}",
        MIGRATIONS.len()
    );
    transaction
        .batch_execute(&named(&raise, schema))
        .await
        .map_err(refused)?;
    transaction.commit().await.map_err(refused)?;
    Ok(id)
}

async fn one(client: &Client, sql: &str) -> Result<Row> {
    let row = client.query_typed_one(sql, &[]).await;
    row.map_err(|error| error::refused("log can't be looked up", error))
}

/// The SQL for one schema, whose name `PostgresConfig` has checked: it needs no quotes to be safe,
/// but has them, as it may be a keyword.
fn named(sql: &str, schema: &str) -> String {
    sql.replace("{schema}", &format!("\"{schema}\""))
}

#[cfg(test)]
mod tests;
