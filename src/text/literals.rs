//! Fixed texts, found in one pass whatever their number.
//!
//! Most positions of a text begin none of them: a table of the first four bytes
//! says so in a few instructions, where an automaton takes a dependent load a
//! byte, and a millisecond to be built. The table is made by the compiler.

/// So many bits of the hash of four bytes. The table stays within the first
/// level of the processor's cache.
const BITS: u32 = 12;

/// Texts of four bytes at least.
pub(crate) struct Literals<const N: usize> {
    texts: [&'static str; N],
    /// For each hash the first text that begins so, as its number from 1.
    first: [u8; 1 << BITS],
    /// For each text the next one that begins so. 0 ends a list.
    next: [u8; N],
}

impl<const N: usize> Literals<N> {
    pub(crate) const fn new(texts: [&'static str; N]) -> Self {
        assert!(N <= u8::MAX as usize, "more texts than numbers");
        let (mut first, mut next) = ([0; 1 << BITS], [0; N]);
        // From the last on, so that each list is in order.
        let mut number = N;
        while number > 0 {
            let [a, b, c, d, ..] = *texts[number - 1].as_bytes() else {
                panic!("a text of fewer than four bytes");
            };
            let hash = hash([a, b, c, d]);
            next[number - 1] = first[hash];
            first[hash] = number as u8;
            number -= 1;
        }
        Self { texts, first, next }
    }

    /// Calls `found` with the index of each text in `within`, and with where it stands.
    pub(crate) fn each(&self, within: &str, mut found: impl FnMut(usize, usize)) {
        for (at, window) in within.as_bytes().array_windows().enumerate() {
            let mut number = self.first[hash(*window)];
            while number > 0 {
                let index = usize::from(number - 1);
                let text = self.texts[index].as_bytes();
                if text.starts_with(window) && within.as_bytes()[at..].starts_with(text) {
                    found(index, at);
                }
                number = self.next[index];
            }
        }
    }
}

/// Fibonacci hashing: the upper bits depend on all four bytes.
const fn hash(bytes: [u8; 4]) -> usize {
    (u32::from_le_bytes(bytes).wrapping_mul(0x9E37_79B1) >> (u32::BITS - BITS)) as usize
}
