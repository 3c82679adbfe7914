//! Reads the files that the command line names.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// The text of a file, or of standard input for `-`: gunzipped when it is a
/// gzip file, from UTF-16 when a byte order mark says so (Windows), bad bytes
/// replaced.
///
/// Fails with a sentence that says what to do.
pub fn read_text(path: &Path) -> Result<String, String> {
    let stdin = path == Path::new("-");
    let name = if stdin {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let bytes = if stdin {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    }
    .map_err(|fault| cannot_read(&name, &fault))?;
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        MultiGzDecoder::new(&bytes[..])
            .read_to_end(&mut text)
            .map_err(|fault| {
                format!("cannot unpack {name}: {fault}; it begins as a gzip file, but is cut off or damaged: copy it again")
            })?;
        text
    } else {
        bytes
    };
    Ok(text_of(bytes))
}

fn cannot_read(name: &str, fault: &io::Error) -> String {
    let advice = match fault.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "run it as a user who may, such as root",
        io::ErrorKind::IsADirectory => "name a file in it",
        _ => "check the file, or pipe it in and name it `-`",
    };
    format!("cannot read {name}: {fault}; {advice}")
}

fn text_of(bytes: Vec<u8>) -> String {
    let wide = |pairs: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = pairs
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| unit(*pair))
            .collect();
        String::from_utf16_lossy(&units)
    };
    match &bytes[..] {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8(bytes)
            .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_encoding_gives_the_same_text() {
        let wide = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}é x".encode_utf16().flat_map(unit).collect()
        };
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all("é x".as_bytes()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [
            ("utf8", "é x".as_bytes().to_vec()),
            ("utf8-bom", "\u{feff}é x".as_bytes().to_vec()),
            ("utf16le", wide(u16::to_le_bytes)),
            ("utf16be", wide(u16::to_be_bytes)),
            ("gzip", packed.finish().unwrap()),
        ] {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            assert_eq!(read_text(&path), Ok("é x".to_owned()), "{name}");
        }
        let path = folder.path().join("bad");
        fs::write(&path, b"a\xffb").unwrap();
        assert_eq!(read_text(&path), Ok("a\u{fffd}b".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let cut = folder.path().join("cut.gz");
        fs::write(&cut, [0x1f, 0x8b, 8, 0]).unwrap();
        for (path, says) in [
            (folder.path().join("none"), "check the path"),
            (folder.path().to_owned(), "name a file in it"),
            (cut, "copy it again"),
        ] {
            let error = read_text(&path).expect_err("unreadable");
            assert!(error.contains(says), "{error}");
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}
