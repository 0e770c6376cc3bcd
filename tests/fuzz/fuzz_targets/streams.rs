//! A writer and a reader against a vector.
#![no_main]

libfuzzer_sys::fuzz_target!(|case: fuzz::streams::Case| case.run());
