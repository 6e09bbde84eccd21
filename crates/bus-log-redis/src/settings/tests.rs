use bus_log::LogErrorKind;
use redis::Value;

use super::Settings;
use crate::config::RedisConfig;

const INFO: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n# Memory\r\nmaxmemory:0\r\n\
                    maxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\nrole:master\r\nconnected_slaves:0\r\n";

fn settings(info: &str, fsync: Option<&str>, rests: Option<&str>) -> Settings {
    let bulk = |text: &str| Value::BulkString(text.into());
    let config = |name: &str, value: Option<&str>| match value {
        Some(value) => Value::Map(vec![(bulk(name), bulk(value))]),
        None => Value::Nil,
    };
    let answers = vec![
        bulk(info),
        config("appendfsync", fsync),
        config("no-appendfsync-on-rewrite", rests),
    ];
    Settings::read(answers).unwrap()
}

fn refused(settings: &Settings, url: &str) -> String {
    let config = RedisConfig::parse(url).unwrap();
    let error = settings.check(&config).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
    error.to_string()
}

fn taken(settings: &Settings, url: &str) {
    settings.check(&RedisConfig::parse(url).unwrap()).unwrap();
}

#[test]
fn a_server_that_syncs_always_is_taken_for_all() {
    let always = settings(INFO, Some("always"), Some("no"));
    for asked in ["fsync", "everysec", "memory", "unchecked"] {
        taken(&always, &format!("redis://h?durability={asked}"));
    }
}

#[test]
fn less_than_was_asked_for_is_refused_by_name() {
    let everysec = settings(INFO, Some("everysec"), Some("no"));
    let words = refused(&everysec, "redis://h");
    assert!(
        words.contains("durability=fsync") && words.contains("appendfsync everysec"),
        "{words}"
    );
    taken(&everysec, "redis://h?durability=everysec");

    let no = settings(INFO, Some("no"), Some("no"));
    refused(&no, "redis://h?durability=everysec");
    taken(&no, "redis://h?durability=memory");

    let rests = settings(INFO, Some("always"), Some("yes"));
    assert!(refused(&rests, "redis://h").contains("no-appendfsync-on-rewrite"));

    let off = settings(
        &INFO.replace("aof_enabled:1", "aof_enabled:0"),
        Some("always"),
        Some("no"),
    );
    assert!(refused(&off, "redis://h?durability=everysec").contains("appendonly no"));
    taken(&off, "redis://h?durability=memory");
}

#[test]
fn a_server_that_does_not_say_is_refused_unless_it_is_not_asked() {
    let silent = settings(INFO, None, None);
    assert!(refused(&silent, "redis://h").contains("durability=unchecked"));
    taken(&silent, "redis://h?durability=unchecked");
    taken(&silent, "redis://h?durability=memory");
}

#[test]
fn an_evicting_server_is_refused_whatever_is_asked() {
    let limited = INFO.replace("maxmemory:0", "maxmemory:1000");
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let info = limited.replace("noeviction", policy);
        let words = refused(&settings(&info, None, None), "redis://h?durability=memory");
        assert!(
            words.contains(policy) && words.contains("noeviction"),
            "{words}"
        );
    }
    let info = limited.replace("noeviction", "volatile-lru");
    taken(&settings(&info, None, None), "redis://h?durability=memory");
    // Without a limit nothing is evicted.
    let info = INFO.replace("noeviction", "allkeys-lru");
    taken(&settings(&info, Some("always"), Some("no")), "redis://h");
}

#[test]
fn who_reads_only_takes_any_durability() {
    let off = settings(&INFO.replace("aof_enabled:1", "aof_enabled:0"), None, None);
    let config = RedisConfig::parse("redis://h").unwrap();
    assert!(off.check(&config).is_err());
    off.check(&config.read_only()).unwrap();
}

#[test]
fn an_old_server_is_refused_with_both_versions() {
    for version in ["6.0.16", "5.0.3", "unheard of"] {
        let old = settings(&INFO.replace("7.0.15", version), Some("always"), Some("no"));
        assert!(refused(&old, "redis://h").contains("6.2"));
    }
    for version in ["6.2.0", "7.2.4", "10.0.1"] {
        taken(
            &settings(&INFO.replace("7.0.15", version), Some("always"), Some("no")),
            "redis://h",
        );
    }
}

#[test]
fn a_cluster_has_one_database() {
    let cluster = settings(
        &INFO.replace("standalone", "cluster"),
        Some("always"),
        Some("no"),
    );
    assert!(refused(&cluster, "redis://h/1").contains("no databases"));
    taken(&cluster, "redis://h/0");
}

#[test]
fn a_server_whose_append_only_file_is_not_there_yet_is_unavailable_to_whom_it_matters() {
    let info = |more: &str| settings(&format!("{INFO}{more}"), Some("always"), Some("no"));
    let first = "aof_base_size:0\r\naof_rewrite_in_progress:1\r\n";
    let due = "aof_base_size:0\r\naof_rewrite_scheduled:1\r\n";
    let failed = "aof_base_size:0\r\naof_last_bgrewrite_status:err\r\n";
    let config = |url: &str| RedisConfig::parse(url).unwrap();
    // A replica that was promoted before its copy of the primary was in its file.
    let promoted = "aof_base_size:88\r\naof_rewrite_in_progress:1\r\nsecond_repl_offset:1201\r\n";
    let promoted_due = "aof_base_size:88\r\naof_rewrite_scheduled:1\r\nsecond_repl_offset:1\r\n";
    let promoted_failed = "aof_last_bgrewrite_status:err\r\nsecond_repl_offset:1\r\n";
    for more in [first, due, failed, promoted, promoted_due, promoted_failed] {
        let settings = info(more);
        for url in ["redis://h", "redis://h?durability=everysec"] {
            let error = settings.check_file(&config(url)).unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Unavailable);
            assert!(error.to_string().contains("first"), "{more:?}: {error}");
        }
        for url in [
            "redis://h?durability=memory",
            "redis://h?durability=unchecked",
        ] {
            settings.check_file(&config(url)).unwrap();
        }
        let reader = config("redis://h").read_only();
        settings.check_file(&reader).unwrap();
        // A connection that is open stays.
        taken(&settings, "redis://h");
    }
    for more in [
        "",
        "aof_base_size:0\r\n",
        "aof_base_size:88\r\naof_last_bgrewrite_status:err\r\n",
        // As a server does by itself now and then.
        "aof_base_size:88\r\naof_rewrite_in_progress:1\r\n",
        "aof_base_size:88\r\naof_rewrite_in_progress:1\r\nsecond_repl_offset:-1\r\n",
        "aof_base_size:88\r\nsecond_repl_offset:1201\r\n",
    ] {
        info(more).check_file(&config("redis://h")).unwrap();
    }
}
