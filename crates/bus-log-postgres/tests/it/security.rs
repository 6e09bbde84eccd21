//! Row-level security, against SQL typed by the role that owns the tables.

use std::path::Path;

use bus_log::{SessionLog, TenantId, ThreadKey};
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, samples};
use local_servers::ScratchPostgres;

use crate::support::{Schema, Sql, open};

/// Two tenants with a thread each, and a connection as the owner.
fn two_tenants() -> (Schema, Sql) {
    let schema = Schema::new();
    let log = schema.open();
    for tenant in ["acme", "globex"] {
        let key = ThreadKey::new(TenantId::new(tenant), "s");
        assert_eq!(append(&log, &key, tenant, 2).unwrap(), 2);
    }
    let sql = schema.sql();
    sql.run(&format!("SET search_path = \"{}\"", schema.name()));
    (schema, sql)
}

fn as_tenant(tenant: &str, sql: &str) -> String {
    format!(
        "BEGIN; SELECT set_config('bus_log.tenant', encode('{tenant}', 'hex'), true); {sql}; COMMIT"
    )
}

#[test]
fn the_tests_run_as_a_role_that_is_held_back() {
    let (schema, sql) = two_tenants();
    let role = sql.run(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = current_user",
    );
    assert_eq!(role, ["f"]);
    let tables = sql.run(&format!(
        "SELECT relname FROM pg_class c JOIN pg_roles r ON r.oid = relowner \
         WHERE relnamespace = '\"{}\"'::regnamespace AND relkind = 'r' AND relrowsecurity \
           AND relforcerowsecurity AND rolname = current_user ORDER BY 1",
        schema.name()
    ));
    assert_eq!(tables, ["events", "tenants", "threads"]);
}

#[test]
fn who_says_no_tenant_sees_and_changes_nothing() {
    let (_schema, sql) = two_tenants();
    for table in ["events", "threads", "tenants"] {
        assert_eq!(
            sql.run(&format!("SELECT count(*) FROM {table}")),
            ["0"],
            "{table}"
        );
        sql.run(&format!("DELETE FROM {table}"));
    }
    sql.run("UPDATE threads SET last = 99");
    let refused = sql.try_run(
        "INSERT INTO events (tenant, thread_id, ordinal, at_us, event) VALUES ('acme', 1, 9, 0, '')",
    );
    assert!(refused.is_err(), "{refused:?}");
    for tenant in ["acme", "globex"] {
        let there = "SELECT count(*) || ' ' || (SELECT last FROM threads) FROM events";
        assert_eq!(sql.run(&as_tenant(tenant, there)).last().unwrap(), "2 2");
    }
}

#[test]
fn a_tenant_sees_and_changes_its_own_rows_only() {
    let (_schema, sql) = two_tenants();
    let seen = sql.run(&as_tenant(
        "acme",
        "SELECT DISTINCT convert_from(tenant, 'UTF8') FROM events",
    ));
    assert_eq!(seen.last().unwrap(), "acme");
    let all = "SELECT count(*) FROM events WHERE tenant = 'globex'";
    assert_eq!(sql.run(&as_tenant("acme", all)).last().unwrap(), "0");
    for change in [
        "DELETE FROM events WHERE tenant = 'globex'",
        "UPDATE threads SET last = 99, erased = true WHERE tenant = 'globex'",
        "UPDATE events SET event = '' WHERE tenant = 'globex'",
        "DELETE FROM tenants WHERE tenant = 'globex'",
    ] {
        sql.run(&as_tenant("acme", change));
    }
    for change in [
        "INSERT INTO events (tenant, thread_id, ordinal, at_us, event) VALUES ('globex', 2, 3, 0, '')",
        "UPDATE events SET tenant = 'globex'",
        "INSERT INTO threads (tenant, thread, last, watermark, purged, bytes, last_at) \
         VALUES ('globex', 'new', 1, 0, 0, 0, 0)",
        "INSERT INTO tenants VALUES ('globex2')",
    ] {
        let refused = sql.try_run(&as_tenant("acme", change)).unwrap_err();
        let told = refused.as_db_error().unwrap().message().to_owned();
        assert!(told.contains("row-level security"), "{change}: {told}");
        sql.run("ROLLBACK");
    }
    let whole = "SELECT count(*) || ' ' || (SELECT last FROM threads) FROM events WHERE octet_length(event) > 0";
    assert_eq!(sql.run(&as_tenant("globex", whole)).last().unwrap(), "2 2");
}

#[test]
fn a_row_on_anothers_thread_id_takes_no_place_of_its_own() {
    let (schema, sql) = two_tenants();
    let globex = ThreadKey::new(TenantId::new("globex"), "s");
    let id = sql.run(&as_tenant("globex", "SELECT id FROM threads"));
    let id = id.last().unwrap();
    // Acme claims the next ordinal of Globex's thread, in its own name, which it may.
    let claim = format!(
        "INSERT INTO events (tenant, thread_id, ordinal, at_us, event) VALUES ('acme', {id}, 3, 0, 'x')"
    );
    sql.run(&as_tenant("acme", &claim));
    let log = schema.open();
    assert_eq!(append(&log, &globex, "more", 1).unwrap(), 3);
    assert_eq!(block_on(log.load_since(&globex, 0)).unwrap().len(), 3);
}

#[test]
fn what_a_call_said_is_forgotten_with_it() {
    let (schema, sql) = two_tenants();
    // The functions, called as the log calls them, outside of any transaction of ours.
    let read = "SELECT count(*) FROM read('acme', 's', 0, 10, 1000000)";
    assert_eq!(sql.run(read), ["2"]);
    assert_eq!(sql.run("SELECT count(*) FROM tenants(NULL, 10)"), ["2"]);
    assert_eq!(sql.run("SELECT count(*) FROM events"), ["0"]);
    assert_eq!(sql.run("SELECT count(*) FROM tenants"), ["0"]);
    drop(schema);
}

#[test]
fn bytes_are_stored_as_they_came() {
    let schema = Schema::new();
    let log = schema.open();
    let spelt = r#"{ "data" : "\u0000\u0068i", "type":"acme.odd", "n":1.0 }"#;
    let meta = r#"{ "id" : "\u0000" }"#;
    let entry = bus_log::Entry {
        meta: samples::meta(meta),
        ..samples::entry(samples::custom(spelt))
    };
    let key = ThreadKey::new(TenantId::new("a\0b"), "\0");
    block_on(log.append_entries(&key, bus_log::Expect::Any, &[entry])).unwrap();
    let stored = schema.sql().run(&format!(
        "SELECT encode(o_event || o_meta, 'hex') FROM \"{}\".read('a\\000b', '\\000', 0, 1, 1)",
        schema.name()
    ));
    let hex: String = [spelt, meta]
        .concat()
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(stored, [hex]);
}

#[test]
fn the_documented_queries_and_index_work() {
    let schema = Schema::new();
    let log = schema.open();
    append(&log, &samples::key("s"), "x", 3).unwrap();
    let docs = include_str!("../../src/docs.md").replace("bus_log.tenant", "TENANT");
    let docs = docs.replace("bus_log.", &format!("\"{}\".", schema.name()));
    let docs = docs
        .replace("TENANT", "bus_log.tenant")
        .replace("session-7", "s");
    let sql = schema.sql();
    let blocks: Vec<&str> = docs.split("```sql\n").skip(1).collect();
    let typed: Vec<&str> = blocks
        .iter()
        .filter_map(|block| block.split("```").next())
        .filter(|block| !block.contains("ROLE") && !block.contains("GRANT"))
        .collect();
    assert_eq!(typed.len(), 3);
    for statements in typed {
        sql.run(statements);
    }
    // The index takes part in appends from now on.
    assert_eq!(append(&log, &samples::key("s"), "y", 2).unwrap(), 5);
}

#[test]
fn a_role_with_the_documented_grants_can_do_all_and_is_held_back_too() {
    let server = ScratchPostgres::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let schema = Schema::at(&server.url());
    // Nothing that is made later can be called by everybody, as careful administrators have it.
    let sql = schema.sql();
    sql.run("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC");
    drop(schema.open());
    Sql::connect(&server.admin_url())
        .run("CREATE ROLE app LOGIN PASSWORD 'app' NOSUPERUSER NOBYPASSRLS");
    let name = schema.name();
    sql.run(&format!(
        "GRANT USAGE ON SCHEMA {name} TO app; GRANT SELECT ON {name}.log TO app; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.tenants, {name}.threads, {name}.events TO app; \
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {name} TO app"
    ));
    let at = server.url().find('@').unwrap();
    let url = format!("postgres://app:app{}", &server.url()[at..]);
    let log = open(schema.config_at(&url).without_creation()).unwrap();
    let key = samples::key("s");
    assert_eq!(append(&log, &key, "x", 4).unwrap(), 4);
    assert_eq!(block_on(log.archive_before(&key, 2)).unwrap(), 2);
    assert_eq!(texts(&log, &key), ["x 2", "x 3"]);
    assert_eq!(block_on(log.tenants(None, 9)).unwrap().len(), 1);
    let sql = Sql::connect(&url);
    let count = format!("SELECT count(*) FROM {name}.events");
    assert_eq!(sql.run(&count), ["0"]);
    assert_eq!(sql.run(&as_tenant("globex", &count)).pop().unwrap(), "0");
    assert_eq!(sql.run(&as_tenant("acme", &count)).pop().unwrap(), "2");
    block_on(log.erase(&key)).unwrap();
    assert!(texts(&log, &key).is_empty());
    drop(log);
}
