#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ssm_agent_triage::fuzz::denial(data));
