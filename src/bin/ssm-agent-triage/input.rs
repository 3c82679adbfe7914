//! Opens the files that the command line names.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// What a file is called in a message.
pub fn name_of(path: &Path) -> String {
    if is_stdin(path) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Opens a file, or standard input for `-`: gunzipped when it is a gzip file,
/// from UTF-16 when a byte order mark says so (Windows).
///
/// Fails with a sentence that says what to do. So does reading, by
/// [`cannot_read`].
pub fn open(path: &Path) -> Result<Box<dyn BufRead>, String> {
    let source: io::Result<Box<dyn Read>> = if is_stdin(path) {
        Ok(Box::new(io::stdin().lock()))
    } else {
        File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
    };
    source
        .and_then(unwrapped)
        .map_err(|fault| cannot_read(path, &fault))
}

/// The whole text of a file, bad bytes replaced.
pub fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    open(path)?
        .read_to_end(&mut bytes)
        .map_err(|fault| cannot_read(path, &fault))?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()))
}

/// Why `path` cannot be read, and what to do.
pub fn cannot_read(path: &Path, fault: &io::Error) -> String {
    let advice = match fault.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "run it as a user who may, such as root",
        io::ErrorKind::IsADirectory => "name a file in it",
        io::ErrorKind::UnexpectedEof => "the gzip file is cut off: copy it again",
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            "the gzip file is damaged: copy it again"
        }
        io::ErrorKind::Unsupported => "unpack it first, or pipe it in and name it `-`",
        _ => "check the file, or pipe it in and name it `-`",
    };
    format!("cannot read {}: {fault}; {advice}", name_of(path))
}

/// Takes off what is wrapped around the text, by its first bytes.
fn unwrapped(mut source: Box<dyn Read>) -> io::Result<Box<dyn BufRead>> {
    let mut first = Vec::with_capacity(4);
    Read::by_ref(&mut source).take(4).read_to_end(&mut first)?;
    let packed = match &first[..] {
        [0x1f, 0x8b, ..] => None,
        [0x28, 0xb5, 0x2f, 0xfd] => Some("a zstd file"),
        [0xfd, b'7', b'z', b'X'] => Some("an xz file"),
        [b'B', b'Z', b'h', b'1'..=b'9'] => Some("a bzip2 file"),
        [b'P', b'K', 3, 4] => Some("a zip file"),
        _ => {
            let mark = if first.starts_with(&[0xef, 0xbb, 0xbf]) {
                3
            } else if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
                return utf16(first, source);
            } else {
                0
            };
            first.drain(..mark);
            return Ok(Box::new(BufReader::new(Cursor::new(first).chain(source))));
        }
    };
    match packed {
        Some(what) => Err(io::Error::new(io::ErrorKind::Unsupported, what)),
        None => unwrapped(Box::new(MultiGzDecoder::new(
            Cursor::new(first).chain(source),
        ))),
    }
}

fn utf16(mut bytes: Vec<u8>, mut source: Box<dyn Read>) -> io::Result<Box<dyn BufRead>> {
    source.read_to_end(&mut bytes)?;
    let little = bytes.starts_with(&[0xff, 0xfe]);
    let units: Vec<u16> = bytes[2..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| {
            if little {
                u16::from_le_bytes(*pair)
            } else {
                u16::from_be_bytes(*pair)
            }
        })
        .collect();
    Ok(Box::new(Cursor::new(
        String::from_utf16_lossy(&units).into_bytes(),
    )))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn every_encoding_gives_the_same_text() {
        let wide = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}é x".encode_utf16().flat_map(unit).collect()
        };
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("utf8", "é x".as_bytes().to_vec()),
            ("utf8-bom", "\u{feff}é x".as_bytes().to_vec()),
            ("utf16le", wide(u16::to_le_bytes)),
            ("utf16be", wide(u16::to_be_bytes)),
            ("gzip", gzip("é x".as_bytes())),
            ("gzip-utf16", gzip(&wide(u16::to_le_bytes))),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            assert_eq!(read_text(&path), Ok("é x".to_owned()), "{name}");
        }
        for (bytes, text) in [(&b"a\xffb"[..], "a\u{fffd}b"), (b"", ""), (b"x", "x")] {
            let path = folder.path().join("odd");
            fs::write(&path, bytes).unwrap();
            assert_eq!(read_text(&path), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let whole = gzip(b"some text of some length");
        let mut damaged = whole.clone();
        let sum = damaged.len() - 8;
        damaged[sum] ^= 1;
        for (path, says) in [
            (folder.path().join("none"), "check the path"),
            (folder.path().to_owned(), "name a file in it"),
            (file("cut.gz", &whole[..20]), "cut off: copy it again"),
            (file("bad.gz", &damaged), "damaged: copy it again"),
            (file("x.xz", b"\xfd7zXZ\0"), "an xz file; unpack it first"),
            (
                file("x.zip", b"PK\x03\x04..."),
                "a zip file; unpack it first",
            ),
        ] {
            let error = read_text(&path).expect_err("unreadable");
            assert!(error.contains(says), "{error}");
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}
