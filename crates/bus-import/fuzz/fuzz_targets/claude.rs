#![no_main]

mod check;

use bus_import::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| check::check(bytes, Format::ClaudeCode));
