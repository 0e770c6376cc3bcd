//! Forged senders against every way to receive.
#![no_main]

libfuzzer_sys::fuzz_target!(|case: fuzz::senders::Case| case.run());
