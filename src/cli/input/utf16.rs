//! UTF-16, as Windows writes it, → UTF-8, a chunk at a time.

use std::io::{self, Read};

/// Bytes taken from the source at once.
const CHUNK: usize = 8 * 1024;

/// Reads as UTF-8 what the source holds as UTF-16 without its byte order mark.
/// Half a surrogate pair is replaced; half a unit at the end is left out.
pub(super) struct Utf16<R> {
    source: R,
    unit: fn([u8; 2]) -> u16,
    /// Bytes that wait for the rest of their character: three at most.
    rest: Vec<u8>,
    text: Vec<u8>,
    /// How much of `text` has been read.
    at: usize,
    ended: bool,
}

impl<R: Read> Utf16<R> {
    /// `unit` puts two bytes together: `u16::from_le_bytes` or `u16::from_be_bytes`.
    pub(super) fn new(source: R, unit: fn([u8; 2]) -> u16) -> Self {
        Self {
            source,
            unit,
            rest: Vec::new(),
            text: Vec::new(),
            at: 0,
            ended: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; CHUNK];
        let read = self.source.read(&mut chunk)?;
        self.ended = read == 0;
        self.rest.extend_from_slice(&chunk[..read]);
        let mut units: Vec<u16> = self
            .rest
            .as_chunks()
            .0
            .iter()
            .map(|pair| (self.unit)(*pair))
            .collect();
        if !self.ended && units.last().is_some_and(|unit| is_first_half(*unit)) {
            units.pop();
        }
        self.rest.drain(..units.len() * 2);
        self.text = String::from_utf16_lossy(&units).into_bytes();
        self.at = 0;
        Ok(())
    }
}

/// Of a surrogate pair.
fn is_first_half(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() && !self.ended {
            self.fill()?;
        }
        let read = (&self.text[self.at..]).read(into)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    fn bytes(units: &[u16], unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        units.iter().flat_map(|it| unit(*it)).collect()
    }

    /// Gives a few bytes at a time.
    struct Drops<'b>(&'b [u8], usize);

    impl Read for Drops<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(into.len());
            self.0.read(&mut into[..most])
        }
    }

    fn read(source: impl Read, big: bool) -> String {
        let mut text = String::new();
        let read = if big {
            BufReader::new(Utf16::new(source, u16::from_be_bytes)).read_to_string(&mut text)
        } else {
            BufReader::new(Utf16::new(source, u16::from_le_bytes)).read_to_string(&mut text)
        };
        read.expect("UTF-8 comes out");
        text
    }

    #[test]
    fn it_holds_a_chunk_and_no_more() {
        let line = bytes(
            &"é and so on\n".encode_utf16().collect::<Vec<_>>(),
            u16::to_le_bytes,
        );
        let mut long = Utf16::new(io::Cursor::new(line.repeat(20_000)), u16::from_le_bytes);
        let mut sum = 0;
        loop {
            let read = long.read(&mut [0; 4096]).expect("is read");
            if read == 0 {
                break;
            }
            sum += read;
            assert!(long.text.capacity() <= 4 * CHUNK && long.rest.capacity() <= 2 * CHUNK);
        }
        assert_eq!(sum, 20_000 * "é and so on\n".len());
    }

    proptest! {
        #[test]
        fn it_is_what_the_standard_library_reads_of_the_whole(
            units in proptest::collection::vec(
                prop_oneof![any::<u16>(), 0xd800u16..0xe000, 0x20u16..0x7f], 0..80,
            ),
            drops in 1usize..7,
            odd in any::<bool>(),
        ) {
            let whole = String::from_utf16_lossy(&units);
            for (big, unit) in [(false, u16::to_le_bytes as fn(u16) -> [u8; 2]), (true, u16::to_be_bytes)] {
                let mut bytes = bytes(&units, unit);
                if odd {
                    bytes.push(b'x');
                }
                prop_assert_eq!(&read(Drops(&bytes, drops), big), &whole);
            }
        }
    }
}
