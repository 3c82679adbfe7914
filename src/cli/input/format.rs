//! Formats that are no text, by their first bytes.

use std::io;

/// A header of a tar archive: the longest look that any format needs.
pub(super) const BLOCK: usize = 512;

/// A format that is not read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreign {
    what: &'static str,
    pub advice: &'static str,
}

/// Gzip within gzip within gzip …
pub(super) const NESTED: Foreign = Foreign {
    what: "a gzip file within a gzip file, and so on",
    advice: UNPACK,
};

const UNPACK: &str = "unpack it first";

const FORMATS: &[(&[u8], Foreign)] = &[
    (b"\x28\xb5\x2f\xfd", packed("a zstd file")),
    (b"\xfd7zXZ", packed("an xz file")),
    (b"BZh", packed("a bzip2 file")),
    (b"PK\x03\x04", packed("a zip file")),
    (b"7z\xbc\xaf\x27\x1c", packed("a 7z file")),
    (b"\x04\x22\x4d\x18", packed("an lz4 file")),
    (b"\x1f\x9d", packed("a file of compress")),
    (
        b"LPKSHHRH",
        Foreign {
            what: "a journal of systemd",
            advice: "pipe in what `journalctl --file` prints of it",
        },
    ),
    (
        b"ElfFile\0",
        Foreign {
            what: "an event log of Windows",
            advice: "the agent's own log is %PROGRAMDATA%\\Amazon\\SSM\\Logs\\amazon-ssm-agent.log",
        },
    ),
];

const TAR: Foreign = packed("a tar archive");

const fn packed(what: &'static str) -> Foreign {
    Foreign {
        what,
        advice: UNPACK,
    }
}

impl Foreign {
    /// The format that begins with `first`, the first [`BLOCK`] bytes.
    pub(super) fn recognise(first: &[u8]) -> Option<Self> {
        FORMATS
            .iter()
            .find(|(magic, _)| first.starts_with(magic))
            .map(|(_, format)| *format)
            .or_else(|| is_tar(first).then_some(TAR))
    }

    /// The format that an error is about.
    pub(super) fn of(fault: &io::Error) -> Option<&Self> {
        fault.get_ref()?.downcast_ref()
    }
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for Foreign {}

/// Whether a header stands here whose checksum holds, as in every variety of
/// tar: the sum of its bytes, those of the checksum taken as blanks.
fn is_tar(first: &[u8]) -> bool {
    const SUM: std::ops::Range<usize> = 148..156;
    let Some(header) = first.get(..BLOCK) else {
        return false;
    };
    let written = std::str::from_utf8(&header[SUM])
        .ok()
        .and_then(|sum| u32::from_str_radix(sum.trim_matches([' ', '\0']), 8).ok());
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| u32::from(if SUM.contains(&at) { b' ' } else { *byte }))
        .sum();
    written == Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(magic: &[u8]) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..10].copy_from_slice(b"errors.log");
        header[257..257 + magic.len()].copy_from_slice(magic);
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    }

    #[test]
    fn every_variety_of_tar_is_recognised_and_nothing_else() {
        for magic in [&b"ustar\x0000"[..], b"ustar  \0", b""] {
            assert_eq!(Foreign::recognise(&header(magic)), Some(TAR), "{magic:?}");
        }
        let mut other = header(b"");
        other[0] += 1;
        let log = "2026-11-23 04:19:04 INFO x\n".repeat(40);
        for bytes in [
            &other[..],
            &[0; BLOCK],
            log.as_bytes(),
            &header(b"")[..511],
            b"",
        ] {
            assert_eq!(Foreign::recognise(bytes), None);
        }
    }
}
