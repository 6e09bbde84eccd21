use std::path::Path;

use bus_log::LogErrorKind;

use super::LogUrl;

fn path(url: &str) -> String {
    let url = LogUrl::parse(url).unwrap();
    url.path().unwrap().to_str().unwrap().to_owned()
}

fn refused(url: &str) -> String {
    let error = LogUrl::parse(url).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid, "{url}");
    error.to_string()
}

#[test]
fn absolute_directories_are_read_in_every_spelling() {
    for url in [
        "file:///var/log/bus",
        "file:/var/log/bus",
        "file://localhost/var/log/bus",
        "FILE:///var/log/bus",
        "file:///var/log%2Fbus",
        "/var/log/bus",
    ] {
        assert_eq!(path(url), "/var/log/bus", "{url}");
    }
}

#[test]
fn relative_directories_are_read_in_every_spelling() {
    for (url, expected) in [
        ("file:a/b", "a/b"),
        ("file:./a", "./a"),
        ("file://./a", "./a"),
        ("file://../a", "../a"),
        ("file://.", "."),
        ("a/b", "a/b"),
        ("./a:b", "./a:b"),
        ("a/b:c", "a/b:c"),
    ] {
        assert_eq!(path(url), expected, "{url}");
    }
}

#[test]
fn a_plain_path_is_not_decoded() {
    assert_eq!(path("/a%20b?c#d"), "/a%20b?c#d");
}

#[test]
fn a_drive_is_no_scheme() {
    assert_eq!(path(r"C:\bus"), r"C:\bus");
}

#[test]
fn what_is_shown_parses_to_the_same() {
    for path in ["/a b/%/?#/é", "rel/dir", "./x", "../y", "/"] {
        let url = LogUrl::from_path(path);
        let shown = url.to_string();
        assert!(shown.starts_with("file:"), "{shown}");
        assert_eq!(LogUrl::parse(&shown).unwrap(), url, "{shown}");
    }
    assert_eq!(LogUrl::parse("memory:").unwrap().to_string(), "memory:");
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf_8_can_be_named() {
    let url = LogUrl::parse("file:///a%FF").unwrap();
    assert_eq!(
        url.path().unwrap().as_os_str().as_encoded_bytes(),
        b"/a\xff"
    );
    assert_eq!(url.to_string(), "file:///a%FF");
}

#[test]
fn an_unknown_scheme_is_named_with_those_there_are() {
    let message = refused("gopher://example.org/x");
    assert!(message.contains("scheme gopher"), "{message}");
    for scheme in super::SCHEMES {
        assert!(message.contains(scheme), "{message}");
    }
}

#[test]
fn no_refusal_repeats_a_password() {
    for url in [
        "gopher://user:secret@host/db",
        "file://user:secret@host/db",
        "memory://user:secret@host",
        "file:///secret%zz",
        "file:///x?password=secret",
        "file:///x?secret",
        "file:///x?idle=secret",
        "file:///x?durability=secret",
        "file:///x?s3cret=1",
    ] {
        let message = refused(url);
        assert!(!message.contains("secret"), "{message}");
    }
}

#[cfg(feature = "file")]
#[test]
fn a_folder_takes_the_options_of_the_file_log_and_shows_them() {
    let url = "file:///var/log%3F?durability=250ms&idle=10&open_threads=64&queue_bytes=1048576&segment_bytes=65536";
    let parsed = LogUrl::parse(url).unwrap();
    assert_eq!(path(url), "/var/log?");
    assert_eq!(parsed.to_string(), url);
    assert_eq!(LogUrl::parse(&parsed.to_string()).unwrap(), parsed);
    assert_eq!(
        LogUrl::parse("file:a?").unwrap(),
        LogUrl::parse("file:a").unwrap()
    );
}

#[cfg(feature = "file")]
#[test]
fn a_wrong_option_of_a_folder_is_named() {
    for (option, why) in [
        (
            "durability=soon",
            "durability is neither sync nor os nor a time",
        ),
        ("durability=0", "durability is neither"),
        ("idle=0", "idle must be greater than 0"),
        ("idle=1h", "idle is not a number"),
        ("idle=86401", "idle is too long: at most 86400 s"),
        ("open_threads=-1", "open_threads is not a number"),
        ("queue_bytes=64k", "queue_bytes is not a number"),
        ("segment_bytes=0", "segment_bytes must be greater than 0"),
        ("fsync=1", "unknown option: fsync"),
        ("idle", "an option without a value"),
        ("idle=%zz", "broken percent-encoding"),
        ("idle=1#x", "has a #"),
    ] {
        let message = refused(&format!("file:///log?{option}"));
        assert!(message.contains(why), "{option}: {message}");
    }
}

#[test]
fn what_names_no_directory_is_refused() {
    for url in [
        "",
        "file:",
        "file://",
        "file://host",
        "file:///a%00b",
        "memory:x",
    ] {
        refused(url);
    }
}

#[test]
fn a_path_and_its_url_are_equal() {
    assert_eq!(
        LogUrl::parse("file:///a%20b").unwrap(),
        LogUrl::from_path(Path::new("/a b"))
    );
}

#[cfg(feature = "nats")]
#[test]
fn urls_of_nats_hide_passwords_and_tokens() {
    for (url, shown) in [
        (
            "nats://u:s3cret@h:1,i:2/d?replicas=3",
            "nats://u@h:1,i:2/d?replicas=3",
        ),
        ("tls://s3cret@h", "tls://h"),
        ("NATS://h/d?timeout=3", "nats://h/d?timeout=3"),
        ("nats://u:s3cret/s3cret@h", "nats://u@h"),
    ] {
        let parsed = LogUrl::parse(url).unwrap();
        assert_eq!((parsed.scheme(), parsed.path()), ("nats", None));
        assert_eq!(parsed.to_string(), shown);
        assert!(!format!("{parsed:?}").contains("s3cret"));
    }
    let error = LogUrl::parse("nats://u:s3cret@h/d?s3cret=1").unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[cfg(feature = "postgres")]
#[test]
fn a_server_is_shown_without_its_password() {
    for (url, shown) in [
        ("postgres://u:s3cret@h:1,i:2/d", "postgres://u@h:1,i:2/d"),
        ("postgresql://u:s3cret@h/d", "postgres://u@h/d"),
        ("POSTGRES://u@h/d", "postgres://u@h/d"),
        ("postgres://h/d?schema=a", "postgres://h/d?schema=a"),
        (
            "postgres://u@h/d?schema=a&password=s3cret&sslmode=disable",
            "postgres://u@h/d?schema=a&sslmode=disable",
        ),
        ("postgres://u@h/d?password=s3cret", "postgres://u@h/d"),
        ("postgres://u@h/d?password=s3cret%40x", "postgres://u@h/d"),
        ("postgres://u@h/d?options=-c%20s3cret", "postgres://u@h/d"),
        // What should have been encoded.
        ("postgres://u:s3cret/s3cret@h/d", "postgres://u@h/d"),
    ] {
        let parsed = LogUrl::parse(url).unwrap();
        assert_eq!(parsed.to_string(), shown);
        assert_eq!((parsed.scheme(), parsed.path()), ("postgres", None));
        assert!(!format!("{parsed:?}").contains("s3cret"), "{parsed:?}");
        assert_eq!(LogUrl::parse(shown).unwrap().to_string(), shown);
    }
}

#[cfg(feature = "postgres")]
#[test]
fn a_server_whose_url_is_wrong_is_refused_without_its_password() {
    for url in [
        "postgres:u:s3cret@h/d",
        "postgres://u:s3cret@h/d?sslmode=s3cret",
        "postgres://u:s3cret@h/d?s3cret",
        // It may be the end of a password.
        "postgres://u@h/d?password=s3cret@x",
        "postgres://u:s3cret@",
    ] {
        assert!(!refused(url).contains("s3cret"), "{}", refused(url));
    }
}

#[cfg(feature = "redis")]
#[test]
fn a_redis_server_is_shown_without_its_password() {
    for (url, shown) in [
        ("redis://u:s3cret@h:1,i:2/0", "redis://u@h:1,i:2/0"),
        ("rediss://:s3cret@h", "rediss://h"),
        ("REDISS://u@h/3", "rediss://u@h/3"),
        (
            "redis://h?prefix=a&sentinel=m&sentinel_password=s3cret&durability=memory",
            "redis://h?prefix=a&sentinel=m&durability=memory",
        ),
        // What should have been encoded.
        ("redis://u:s3cret/s3cret@h/0", "redis://u@h/0"),
    ] {
        let parsed = LogUrl::parse(url).unwrap();
        assert_eq!(parsed.to_string(), shown);
        assert_eq!((parsed.scheme(), parsed.path()), ("redis", None));
        assert!(!format!("{parsed:?}").contains("s3cret"), "{parsed:?}");
        assert_eq!(LogUrl::parse(shown).unwrap().to_string(), shown);
    }
    for url in [
        "redis:u:s3cret@h",
        "redis://u:s3cret@h?durability=s3cret",
        "redis://u:s3cret@h:s3cret",
    ] {
        assert!(!refused(url).contains("s3cret"), "{}", refused(url));
    }
}

#[cfg(all(feature = "nats", feature = "postgres", feature = "redis"))]
#[test]
fn a_piece_of_a_password_is_in_no_error_of_any_server() {
    for scheme in ["nats", "tls", "postgres", "postgresql", "redis", "rediss"] {
        for rest in [
            "bus:pa?zebra@localhost/place",
            "bus:pa?zebra=1@localhost/place?prefix=x",
            "bus:pa?zebra&x=%@localhost/place",
        ] {
            let url = format!("{scheme}://{rest}");
            let error = LogUrl::parse(&url).err().unwrap();
            let told = format!("{error} {error:?}");
            assert!(told.contains("encode the password"), "{told}");
            assert!(!told.contains("zebra"), "{told}");
        }
    }
}
