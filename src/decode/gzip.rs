//! Base64 and gzip, with a cap on what comes out.

use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::MultiGzDecoder;

use super::DecodeError;

/// Base64 of a gzip file → its text; at most `cap` bytes of it.
pub fn unpack_base64(data: &str, cap: u64) -> Result<String, DecodeError> {
    let data = data.trim_ascii();
    let gzip = STANDARD
        .decode(data)
        .map_err(|fault| DecodeError::NotBase64 {
            found: base64_fault(data, &fault),
        })?;
    unpack(&gzip, cap)
}

/// A gzip file → its text; at most `cap` bytes of it, bad UTF-8 replaced.
pub fn unpack(gzip: &[u8], cap: u64) -> Result<String, DecodeError> {
    if !gzip.starts_with(&[0x1f, 0x8b]) {
        return Err(DecodeError::NotGzip {
            found: describe(gzip),
        });
    }
    let mut bytes = Vec::new();
    gunzip(gzip, cap, &mut bytes)?;
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(bad) => String::from_utf8_lossy(bad.as_bytes()).into_owned(),
    })
}

/// Never makes `out` hold or reserve more than `cap` bytes: it begins at the
/// size that the file's trailer claims and grows only against bytes that came.
fn gunzip(gzip: &[u8], cap: u64, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let limit = usize::try_from(cap).unwrap_or(usize::MAX);
    let mut reader = MultiGzDecoder::new(gzip);
    out.reserve_exact(claimed_size(gzip).min(limit));
    loop {
        let room = out.capacity().min(limit) - out.len();
        let read = Read::by_ref(&mut reader)
            .take(room as u64)
            .read_to_end(out)
            .map_err(|fault| gzip_fault(&fault, gzip.len()))?;
        if read < room {
            return Ok(());
        }
        let mut next = [0];
        let more = reader
            .read(&mut next)
            .map_err(|fault| gzip_fault(&fault, gzip.len()))?;
        if more == 0 {
            return Ok(());
        }
        if out.len() >= limit {
            return Err(DecodeError::TooLarge {
                cap,
                bytes: gzip.len(),
            });
        }
        out.reserve_exact(out.len().max(MIN_GROWTH).min(limit - out.len()));
        out.push(next[0]);
    }
}

const MIN_GROWTH: usize = 4096;

/// The size in the gzip trailer (RFC 1952, ISIZE), not believed beyond what
/// deflate can reach: 1032 to 1.
fn claimed_size(gzip: &[u8]) -> usize {
    let claimed = gzip
        .last_chunk::<4>()
        .map_or(0, |size| u32::from_le_bytes(*size) as usize);
    claimed.min(gzip.len().saturating_mul(1032))
}

fn gzip_fault(fault: &io::Error, bytes: usize) -> DecodeError {
    if fault.kind() == io::ErrorKind::UnexpectedEof {
        DecodeError::TruncatedGzip { bytes }
    } else {
        DecodeError::DamagedGzip {
            bytes,
            detail: fault.to_string(),
        }
    }
}

fn base64_fault(data: &str, fault: &base64::DecodeError) -> String {
    match fault {
        base64::DecodeError::InvalidByte(at, byte) => {
            format!("byte {byte:#04x} at offset {at}")
        }
        base64::DecodeError::InvalidLength(_)
        | base64::DecodeError::InvalidLastSymbol { .. }
        | base64::DecodeError::InvalidPadding => {
            format!("a cut-off end after {} characters", data.len())
        }
    }
}

/// What stands where a gzip file should, without quoting it.
fn describe(bytes: &[u8]) -> String {
    let text = bytes.trim_ascii_start();
    if text.is_empty() {
        "nothing".to_owned()
    } else if text.starts_with(b"{") || text.starts_with(b"[") {
        "what looks like uncompressed JSON".to_owned()
    } else if text.starts_with(b"H4sI") {
        "base64 once more: it was encoded twice".to_owned()
    } else {
        let first: Vec<String> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
        format!("bytes that begin {}", first.join(" "))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    const CAP: u64 = 1 << 20;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_damage_is_an_error_of_its_own() {
        let whole = gzip(b"{\"messageType\":\"CONTROL_MESSAGE\"}");
        let encoded = STANDARD.encode(&whole);
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0xff;
        let mut wrong_sum = whole.clone();
        let sum = wrong_sum.len() - 8;
        wrong_sum[sum] ^= 1;
        let mut trailed = whole.clone();
        trailed.extend_from_slice(b"more");

        let cases: Vec<(&str, String, &str)> = vec![
            ("empty", String::new(), "found nothing;"),
            ("not base64", "-not base64-".into(), "byte 0x2d at offset 0"),
            (
                "wrapped",
                format!("{}\n{}", &encoded[..8], &encoded[8..]),
                "byte 0x0a at offset 8",
            ),
            (
                "base64 cut off",
                encoded[..encoded.len() - 3].into(),
                "a cut-off end after",
            ),
            (
                "plain JSON",
                STANDARD.encode("{}"),
                "what looks like uncompressed JSON",
            ),
            (
                "encoded twice",
                STANDARD.encode(&encoded),
                "base64 once more",
            ),
            (
                "zip",
                STANDARD.encode(b"PK\x03\x04"),
                "bytes that begin 50 4b 03 04",
            ),
            (
                "only the magic",
                STANDARD.encode(&whole[..2]),
                "cut off after 2 bytes",
            ),
            (
                "no body",
                STANDARD.encode(&whole[..10]),
                "cut off after 10 bytes",
            ),
            (
                "half a body",
                STANDARD.encode(&whole[..20]),
                "cut off after 20 bytes",
            ),
            (
                "no trailer",
                STANDARD.encode(&whole[..whole.len() - 8]),
                "cut off after",
            ),
            ("flipped bits", STANDARD.encode(&flipped), "found damage ("),
            (
                "wrong checksum",
                STANDARD.encode(&wrong_sum),
                "found damage (",
            ),
            ("junk behind", STANDARD.encode(&trailed), "found"),
        ];
        for (name, data, says) in cases {
            let error = unpack_base64(&data, CAP).expect_err(name);
            let text = error.to_string();
            assert!(text.contains(says), "{name}: {text}");
            assert!(text.starts_with("expected "), "{name}: {text}");
            let right = match name {
                "not base64" | "wrapped" | "base64 cut off" => {
                    matches!(error, DecodeError::NotBase64 { .. })
                }
                "empty" | "plain JSON" | "encoded twice" | "zip" => {
                    matches!(error, DecodeError::NotGzip { .. })
                }
                "only the magic" | "no body" | "half a body" | "no trailer" => {
                    matches!(error, DecodeError::TruncatedGzip { .. })
                }
                _ => matches!(
                    error,
                    DecodeError::DamagedGzip { .. } | DecodeError::TruncatedGzip { .. }
                ),
            };
            assert!(right, "{name}: {error:?}");
        }
    }

    #[test]
    fn a_bomb_stops_at_the_cap_and_reserves_no_more() {
        let bomb = gzip(&vec![b' '; 64 << 20]);
        assert!(bomb.len() < 70_000, "about 1000 to 1, is {}", bomb.len());
        let mut lying = bomb.clone();
        let size = lying.len() - 4;
        lying[size..].copy_from_slice(&12u32.to_le_bytes());

        for file in [&bomb, &lying] {
            let mut out = Vec::new();
            assert_eq!(
                gunzip(file, CAP, &mut out),
                Err(DecodeError::TooLarge {
                    cap: CAP,
                    bytes: file.len()
                })
            );
            assert!(out.capacity() as u64 <= CAP, "{}", out.capacity());
        }
        let text = unpack(&bomb, CAP).expect_err("too large").to_string();
        assert!(text.contains("TRIAGE_MAX_DECODED_BYTES"), "{text}");
    }

    #[test]
    fn the_cap_itself_still_fits() {
        let full = vec![b'a'; CAP as usize];
        assert_eq!(
            unpack(&gzip(&full), CAP).map(|text| text.len()),
            Ok(full.len())
        );
        assert!(unpack(&gzip(&full), CAP - 1).is_err());
        assert_eq!(unpack(&gzip(b""), 0), Ok(String::new()));
        assert!(unpack(&gzip(b"x"), 0).is_err());
    }

    #[test]
    fn members_one_after_another_are_one_text() {
        let mut two = gzip(b"one ");
        two.extend(gzip(b"two"));
        assert_eq!(unpack(&two, CAP).as_deref(), Ok("one two"));
    }

    #[test]
    fn bad_utf8_is_replaced() {
        assert_eq!(unpack(&gzip(b"a\xffb"), CAP).as_deref(), Ok("a\u{fffd}b"));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in ".*", cap in 0u64..200) {
            let file = gzip(text.as_bytes());
            match unpack(&file, cap) {
                Ok(back) => {
                    prop_assert_eq!(&back, &text);
                    prop_assert!(text.len() as u64 <= cap);
                }
                Err(error) => {
                    prop_assert!(matches!(error, DecodeError::TooLarge { .. }), "{}", error);
                    prop_assert!(text.len() as u64 > cap);
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            text in ".{0,60}",
        ) {
            let mut file = vec![0x1f, 0x8b, 8, 0];
            file.extend(&bytes);
            let _ = unpack(&file, 4096);
            let _ = unpack(&bytes, 4096);
            let _ = unpack_base64(&text, 4096);
        }
    }
}
