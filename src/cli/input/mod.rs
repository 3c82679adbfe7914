//! Opens the files that the command line names.

mod format;
mod journal;
mod utf16;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use crate::text::sanitize::sanitize;
use flate2::read::MultiGzDecoder;

use format::Foreign;
use journal::Journal;
use utf16::Utf16;

/// A log is compressed once, and once more by whoever collects it. Each layer
/// costs a buffer and a call.
const MOST_LAYERS: usize = 8;

/// What a file is called in a message: in one line, and of characters that only
/// say what they say.
pub(super) fn name_of(path: &Path) -> String {
    if is_stdin(path) {
        "standard input".to_owned()
    } else {
        one_line(&path.to_string_lossy())
    }
}

/// Text from outside, such as a name, for a message.
pub(super) fn one_line(text: &str) -> String {
    sanitize(text).replace('\n', " ")
}

pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Fails when standard input is to be read more than once.
pub(super) fn stdin_once(paths: &[PathBuf]) -> Result<(), String> {
    match paths.iter().filter(|path| is_stdin(path)).count() {
        0 | 1 => Ok(()),
        _ => Err("standard input is named more than once; name `-` once".to_owned()),
    }
}

/// What two names of one file share: a link, or `-` and what is redirected to
/// it.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// `None` when the file is not there or cannot be asked for it.
#[cfg(unix)]
pub(super) fn file_id(path: &Path) -> Option<FileId> {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    let about = if is_stdin(path) {
        let stdin = io::stdin().as_fd().try_clone_to_owned().ok()?;
        File::from(stdin).metadata()
    } else {
        fs::metadata(path)
    }
    .ok()?;
    Some(FileId {
        device: about.dev(),
        inode: about.ino(),
    })
}

/// What two names of one file share: a link.
#[cfg(not(unix))]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileId(PathBuf);

/// `None` when the file is not there.
#[cfg(not(unix))]
pub fn file_id(path: &Path) -> Option<FileId> {
    fs::canonicalize(path).ok().map(FileId)
}

/// Opens a file, or standard input for `-`: gunzipped when it is a gzip file,
/// from UTF-16 when a byte order mark says so (Windows).
///
/// Fails with a sentence that says what to do when nothing can be read of it.
/// What fails later ends it early, with an error for [`ends_early`].
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, String> {
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
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    open(path)?
        .read_to_end(&mut bytes)
        .map_err(|fault| cannot_read(path, &fault))?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned()))
}

/// The text of a file as it stands, which must be UTF-8: what the function reads
/// just so is not to be read more leniently here.
pub(super) fn read_strictly(path: &Path) -> Result<String, String> {
    let text = if is_stdin(path) {
        io::read_to_string(io::stdin().lock())
    } else {
        fs::read_to_string(path)
    };
    text.map_err(|fault| match fault.kind() {
        io::ErrorKind::InvalidData => format!(
            "cannot read {}: it is not UTF-8 text; save it as UTF-8",
            name_of(path)
        ),
        _ => cannot_read(path, &fault),
    })
}

/// Why `path` cannot be read, and what to do.
pub(super) fn cannot_read(path: &Path, fault: &io::Error) -> String {
    format!("cannot read {}: {}", name_of(path), why(fault))
}

/// Why `path` was read only to some point, and what to do.
pub(super) fn ends_early(path: &Path, fault: &io::Error) -> String {
    format!("{} was not read to its end: {}", name_of(path), why(fault))
}

fn why(fault: &io::Error) -> String {
    let advice = match fault.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "run it as a user who may, such as root",
        io::ErrorKind::IsADirectory => "name a file in it",
        io::ErrorKind::UnexpectedEof => "the gzip file is cut off: copy it again",
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            "the gzip file is damaged, or something else follows in it: copy it again"
        }
        io::ErrorKind::Unsupported => match Foreign::of(fault) {
            Some(format) => format.advice,
            None => "pipe it in and name it `-`",
        },
        _ => "check the file, or pipe it in and name it `-`",
    };
    format!("{fault}; {advice}")
}

/// Takes off what is wrapped around the text, by its first bytes.
fn unwrapped(mut source: Box<dyn Read>) -> io::Result<Box<dyn BufRead>> {
    for _ in 0..=MOST_LAYERS {
        let (first, rest) = peek(source)?;
        if first.starts_with(&[0x1f, 0x8b]) {
            source = Box::new(MultiGzDecoder::new(Cursor::new(first).chain(rest)));
            continue;
        }
        if let Some(format) = Foreign::recognise(&first) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, format));
        }
        let text = |mark: usize| {
            let mut text = Cursor::new(first.clone());
            text.set_position(mark as u64);
            text.chain(rest)
        };
        return Ok(match &first[..] {
            [0xef, 0xbb, 0xbf, ..] => Box::new(BufReader::new(text(3))),
            [0xff, 0xfe, ..] => Box::new(BufReader::new(Utf16::new(text(2), u16::from_le_bytes))),
            [0xfe, 0xff, ..] => Box::new(BufReader::new(Utf16::new(text(2), u16::from_be_bytes))),
            first if first.starts_with(journal::BEGINS) => {
                Box::new(BufReader::new(Journal::new(BufReader::new(text(0)))))
            }
            _ => Box::new(BufReader::new(text(0))),
        });
    }
    Err(io::Error::new(io::ErrorKind::Unsupported, format::NESTED))
}

/// The first bytes of a source, as many as a format is known by, and what
/// follows them: where that is a fault, the fault.
fn peek(mut source: Box<dyn Read>) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut first = Vec::with_capacity(format::BLOCK);
    let read = Read::by_ref(&mut source)
        .take(format::BLOCK as u64)
        .read_to_end(&mut first);
    match read {
        Ok(_) => Ok((first, source)),
        Err(fault) if first.is_empty() => Err(fault),
        Err(fault) => Ok((first, Box::new(Fails(Some(fault))))),
    }
}

/// Fails once.
struct Fails(Option<io::Error>);

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
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
            (file("bad.gz", &damaged), "the gzip file is damaged"),
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

    /// What can be read of the file, and why it ends early.
    fn read_part(path: &Path) -> (String, String) {
        let mut bytes = Vec::new();
        let fault = open(path)
            .expect("begins well")
            .read_to_end(&mut bytes)
            .expect_err("ends early");
        let text = String::from_utf8(bytes).expect("text");
        (text, ends_early(path, &fault))
    }

    #[test]
    fn what_stands_before_the_damage_of_a_gzip_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let log: String = (0..5000)
            .map(|line| format!("line {line} of the log\n"))
            .collect();
        let whole = gzip(log.as_bytes());
        let path = folder.path().join("cut.gz");
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let (text, why) = read_part(&path);
        assert!(
            text.len() > log.len() / 4 && log.starts_with(&text),
            "{}",
            text.len()
        );
        assert!(why.contains("was not read to its end"), "{why}");
        assert!(why.contains("cut off: copy it again"), "{why}");

        for short in ["", "a line\n", &log] {
            let mut trailed = gzip(short.as_bytes());
            trailed.extend_from_slice(b"what is no gzip");
            fs::write(&path, trailed).unwrap();
            if short.is_empty() {
                assert!(open(&path).is_err(), "nothing to read");
            } else {
                let (text, why) = read_part(&path);
                assert_eq!(text, short);
                assert!(why.contains("something else follows"), "{why}");
            }
        }
    }

    #[test]
    fn gzip_within_gzip_is_read_to_a_bounded_depth() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep.gz");
        let mut packed = b"text".to_vec();
        for _ in 0..MOST_LAYERS {
            packed = gzip(&packed);
        }
        fs::write(&path, &packed).unwrap();
        assert_eq!(read_text(&path), Ok("text".to_owned()));
        for _ in 0..200 {
            packed = gzip(&packed);
        }
        fs::write(&path, &packed).unwrap();
        let error = read_text(&path).expect_err("too deep");
        assert!(
            error.contains("gzip file within a gzip file, and so on; unpack it first"),
            "{error}"
        );
    }

    #[test]
    fn a_name_is_one_line_that_only_says_what_it_says() {
        assert_eq!(
            name_of(Path::new("a\u{1b}]0;x\u{7}\n\u{202e}b\u{9b}.log")),
            "a\u{fffd}]0;x\u{fffd} b\u{fffd}.log"
        );
    }
}
