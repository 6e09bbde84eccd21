use super::*;

#[test]
fn empty_names_are_refused() {
    assert_eq!(TenantId::try_new(""), Err(InvalidKey::EmptyTenant));
    let tenant = TenantId::new("t");
    assert_eq!(ThreadKey::try_new(tenant, ""), Err(InvalidKey::EmptyThread));
    assert!(serde_json::from_str::<TenantId>("\"\"").is_err());
    assert!(serde_json::from_str::<ThreadKey>(r#"{"tenant":"t","thread":""}"#).is_err());
}

#[test]
#[should_panic(expected = "thread id is empty")]
fn new_panics_on_an_empty_thread_id() {
    let _ = ThreadKey::new(TenantId::new("t"), "");
}

#[test]
#[should_panic(expected = "tenant id is empty")]
fn new_panics_on_an_empty_tenant_id() {
    let _ = TenantId::new("");
}

#[test]
fn from_ctx_takes_tenant_and_thread_and_needs_a_thread() {
    let ctx = ExecutionContext::new().with_tenant_id(TenantId::new("acme"));
    assert_eq!(ThreadKey::from_ctx(&ctx), Err(InvalidKey::NoThread));
    let ctx = ctx.with_thread_id("s1");
    assert_eq!(
        ThreadKey::from_ctx(&ctx),
        Ok(ThreadKey::new(TenantId::new("acme"), "s1"))
    );
}

#[test]
fn hostile_names_round_trip() {
    for name in [
        "a:b",
        "..",
        "/",
        "%2f",
        "nul\0",
        "😀",
        "A",
        "a",
        "\u{202e}x",
    ] {
        let key = ThreadKey::new(TenantId::new(name), name);
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<ThreadKey>(&json).unwrap(), key);
    }
}
