//! A log as a mail carries it: quoted-printable (RFC 2045, section 6.7).

use super::rows::Rows;
use crate::record::lines;

/// No line is longer, its soft end among it.
const COLUMNS: usize = 76;

/// The text as it was before; every `=` of it has to be an escape or a soft end.
pub(super) fn open(text: &str) -> Option<Rows> {
    let soft = |line: &&&str| line.ends_with('=') && line.len() <= COLUMNS;
    let lines: Vec<&str> = lines(text)
        .map(|line| line.trim_end_matches('\r'))
        .collect();
    if lines.iter().filter(soft).count() < 2 {
        return None;
    }
    let mut rows = Rows::default();
    let mut bytes: Vec<u8> = Vec::new();
    let mut begun = None;
    for (at, line) in lines.iter().enumerate() {
        let number = *begun.get_or_insert(at as u64 + 1);
        let mut parts = line.split('=');
        bytes.extend(parts.next().unwrap_or_default().bytes());
        let mut is_soft = false;
        for part in parts {
            is_soft = part.is_empty();
            if is_soft {
                continue;
            }
            let code = part.get(..2)?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            bytes.extend(part[2..].bytes());
        }
        if !is_soft {
            rows.push(number, &String::from_utf8_lossy(&bytes));
            bytes.clear();
            begun = None;
        }
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_ends_and_escapes_are_read_back() {
        let text = "2026-11-23 04:19:04.1850 ERROR instanceID=3Di-1 a b=\r\n c =E2=80=9Cd=E2=80=9D e=\r\nf=20\r\ng\r\n";
        let rows = open(text).expect("a mail");
        let plain =
            "2026-11-23 04:19:04.1850 ERROR instanceID=i-1 a b c \u{201c}d\u{201d} ef \ng\n";
        assert_eq!(rows.text, plain);
        assert_eq!(rows.number(2), 4);
        assert!(open("a=b=\nc=\n").is_none());
    }
}
