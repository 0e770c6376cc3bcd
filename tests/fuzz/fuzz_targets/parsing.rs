//! What the library parses.
#![no_main]

libfuzzer_sys::fuzz_target!(|case: fuzz::parsing::Case| case.run());
