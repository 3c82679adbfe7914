//! Fixed texts, found in one pass whatever their number.
//!
//! Most positions of a text begin none of them: a table of the first four bytes
//! says so in a few instructions, where an automaton takes a dependent load a
//! byte, and a millisecond to be built. The table is made by the compiler.

/// So many bits of the hash of four bytes. The table stays within the first
/// level of the processor's cache.
const BITS: u32 = 12;

/// Texts of five bytes at least: every other position is looked at, at which each text has
/// its first four bytes or the four after its first.
pub(crate) struct Literals<const N: usize> {
    texts: [&'static str; N],
    /// For each hash of four bytes the first place in a text that has it, as its number from 1:
    /// of text T twice T, and one more if the four come after its first byte.
    first: [u16; 1 << BITS],
    /// For each place the next one that has it. 0 ends a list.
    next: [[u16; 2]; N],
}

impl<const N: usize> Literals<N> {
    pub(crate) const fn new(texts: [&'static str; N]) -> Self {
        assert!(N < u16::MAX as usize / 2, "more texts than numbers");
        let (mut first, mut next) = ([0; 1 << BITS], [[0; 2]; N]);
        // The last place first, so that each list is in the order in which texts begin.
        let mut offset = 0;
        while offset < 2 {
            let mut index = N;
            while index > 0 {
                index -= 1;
                let [a, b, c, d, e, ..] = *texts[index].as_bytes() else {
                    panic!("a text of fewer than five bytes");
                };
                let hash = hash(if offset == 0 {
                    [a, b, c, d]
                } else {
                    [b, c, d, e]
                });
                next[index][offset] = first[hash];
                first[hash] = (2 * index + offset + 1) as u16;
            }
            offset += 1;
        }
        Self { texts, first, next }
    }

    /// Calls `found` with the index of each text in `within`, and with where it stands.
    pub(crate) fn each(&self, within: &str, mut found: impl FnMut(usize, usize)) {
        let bytes = within.as_bytes();
        for (half, window) in bytes.array_windows().step_by(2).enumerate() {
            let mut number = usize::from(self.first[hash(*window)]);
            while number > 0 {
                let (index, offset) = ((number - 1) / 2, (number - 1) % 2);
                let text = self.texts[index].as_bytes();
                if text[offset..].starts_with(window)
                    && let Some(at) = (2 * half).checked_sub(offset)
                    && bytes[at..].starts_with(text)
                {
                    found(index, at);
                }
                number = usize::from(self.next[index][offset]);
            }
        }
    }
}

/// Fibonacci hashing: the upper bits depend on all four bytes.
const fn hash(bytes: [u8; 4]) -> usize {
    (u32::from_le_bytes(bytes).wrapping_mul(0x9E37_79B1) >> (u32::BITS - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXTS: [&str; 5] = ["abcab", "bcabc", "abcabc", "cabca\u{e9}", "aaaaa"];

    static LITERALS: Literals<5> = Literals::new(TEXTS);

    proptest! {
        #[test]
        fn each_text_is_found_wherever_it_stands(within in "([abc]|\u{e9}|aaaa|abcab|cabca\u{e9}){0,16}") {
            let mut expected = Vec::new();
            for at in 0..within.len() {
                let stands = |text: &&str| within.as_bytes()[at..].starts_with(text.as_bytes());
                let texts = TEXTS.iter().enumerate().filter(|(_, text)| stands(text));
                expected.extend(texts.map(|(index, _)| (index, at)));
            }
            let mut found = Vec::new();
            LITERALS.each(&within, |index, at| found.push((index, at)));
            prop_assert!(found.is_sorted_by_key(|(_, at)| *at));
            found.sort_by_key(|(index, at)| (*at, *index));
            prop_assert_eq!(found, expected);
        }
    }
}
