//! What `journalctl -o export` prints, as the objects of `journalctl -o json`.
//!
//! An entry is a field a line, `NAME=text`, up to an empty line; a text of several
//! lines stands behind its length (systemd, "Journal Export Formats").

use std::io::{self, BufRead, Read};

use serde_json::{Map, Value};

/// What is kept of one field.
const MAX_FIELD: u64 = 1024 * 1024;

/// How an entry begins.
pub(super) const BEGINS: &[u8] = b"__CURSOR=";

/// Reads as objects, each in a line, what its source holds as entries.
pub(super) struct Journal<R> {
    entries: R,
    object: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Journal<R> {
    pub(super) fn new(entries: R) -> Self {
        Self {
            entries,
            object: Vec::new(),
            at: 0,
        }
    }

    /// The next entry that has a field; none at the end.
    fn entry(&mut self) -> io::Result<Map<String, Value>> {
        let mut entry = Map::new();
        loop {
            let mut line = Vec::new();
            let read = self.entries.read_until(b'\n', &mut line)?;
            let line = line.trim_ascii_end();
            if read == 0 || line.is_empty() && !entry.is_empty() {
                return Ok(entry);
            }
            let (name, value) = match memchr::memchr(b'=', line) {
                Some(at) => (&line[..at], line[at + 1..].to_vec()),
                None if line.is_empty() => continue,
                None => (line, self.binary()?),
            };
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            entry.insert(text(name), Value::from(text(&value)));
        }
    }

    /// A length of eight bytes, so many bytes, and a line end; as much of them as
    /// there is.
    fn binary(&mut self) -> io::Result<Vec<u8>> {
        let entries = &mut self.entries;
        let mut first = |most| -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            Read::by_ref(entries).take(most).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let length = first(8)?.try_into().map_or(0, u64::from_le_bytes);
        let value = first(length.min(MAX_FIELD))?;
        let rest = length.saturating_sub(MAX_FIELD).saturating_add(1);
        io::copy(&mut Read::by_ref(entries).take(rest), &mut io::sink())?;
        Ok(value)
    }
}

impl<R: BufRead> Read for Journal<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.object.len() {
            let entry = self.entry()?;
            self.at = 0;
            self.object.clear();
            if !entry.is_empty() {
                serde_json::to_writer(&mut self.object, &entry)?;
                self.object.push(b'\n');
            }
        }
        let read = (&self.object[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_become_objects() {
        let mut export =
            b"__CURSOR=s=1\n_HOSTNAME=h1\nMESSAGE=a=b\n\n\n__CURSOR=s=2\nMESSAGE\n".to_vec();
        export.extend(4_u64.to_le_bytes());
        export.extend(b"a\n\nb\nPRIORITY=6\n");
        assert_eq!(
            io::read_to_string(Journal::new(&export[..])).unwrap(),
            "{\"MESSAGE\":\"a=b\",\"_HOSTNAME\":\"h1\",\"__CURSOR\":\"s=1\"}\n\
             {\"MESSAGE\":\"a\\n\\nb\",\"PRIORITY\":\"6\",\"__CURSOR\":\"s=2\"}\n"
        );
        for cut in 0..export.len() {
            assert!(io::read_to_string(Journal::new(&export[..cut])).is_ok());
        }
    }
}
