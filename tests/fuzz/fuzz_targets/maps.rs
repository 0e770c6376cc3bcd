//! Files and maps of them against a vector.
#![no_main]

libfuzzer_sys::fuzz_target!(|case: fuzz::maps::Case| case.run());
