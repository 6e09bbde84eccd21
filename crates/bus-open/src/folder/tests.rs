use super::Folder;

#[test]
fn every_option_is_a_setting_of_the_log() {
    let options =
        "durability=250ms&idle=10&open_threads=64&queue_bytes=1048576&segment_bytes=65536";
    let folder = Folder::parse(&format!("///log?{options}")).unwrap();
    let config = format!("{:?}", folder.config().unwrap());
    for setting in [
        "durability: Interval(250ms)",
        "idle: 10s",
        "open_threads: 64",
        "queue_bytes: 1048576",
        "segment_bytes: 65536",
    ] {
        assert!(config.contains(setting), "{setting}: {config}");
    }
}
