use super::open_threads;

#[test]
fn a_process_that_may_open_few_files_keeps_few_sessions_open() {
    for files in [64, 128, 256, 1024, 65_536, usize::MAX] {
        assert!(open_threads(files) * 2 <= files / 4, "{files}");
    }
    assert_eq!(open_threads(1024), 128);
    assert_eq!(open_threads(usize::MAX), 4096);
}
