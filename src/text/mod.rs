//! Log text and names that others chose, made fit for a reader: cut, neutralised, redacted, quoted.

pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod literals;
pub(crate) mod quote;
pub(crate) mod redact;
pub(crate) mod sanitize;

/// FNV-1a of 128 bits: no secret and no authority rests on it.
pub(crate) fn digest(text: &str) -> u128 {
    text.bytes()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        })
}
