#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bus_log_file::fuzzing::line(bytes));
