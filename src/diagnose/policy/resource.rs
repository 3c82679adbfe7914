//! Resource patterns held against the ARNs that an action is checked on.
//!
//! A pattern is certain only where it matches as IAM documents it: with regard
//! to case, and segment by segment ("IAM JSON policy elements: Resource" says
//! that a `*` at the end of a segment *can* reach beyond the colon, and that
//! the service segment takes no wildcard). What matches only more loosely, or
//! holds a policy variable, is a doubt.

/// How far a pattern reaches over the ARNs that an asked text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It matches each of them.
    All,
    /// It matches some of them, or may.
    Some,
    /// It matches none of them.
    None,
}

/// `asked` is an ARN in which `*` stands for any text, or `*` alone where
/// nothing is known of it.
pub(super) fn reach(pattern: &str, asked: &str) -> Reach {
    if pattern == "*" || (!pattern.contains("${") && by_segment(pattern, asked)) {
        return Reach::All;
    }
    if asked == "*" {
        return Reach::Some;
    }
    let loosely = variables_open(pattern).to_ascii_lowercase();
    if meet(loosely.as_bytes(), asked.to_ascii_lowercase().as_bytes()) {
        Reach::Some
    } else {
        Reach::None
    }
}

/// `arn:partition:service:region:account:resource`; the last holds colons too.
const SEGMENTS: usize = 6;
const SERVICE: usize = 2;

fn by_segment(pattern: &str, asked: &str) -> bool {
    let patterns: Vec<&str> = pattern.splitn(SEGMENTS, ':').collect();
    let asked: Vec<&str> = asked.splitn(SEGMENTS, ':').collect();
    patterns.len() == SEGMENTS
        && asked.len() == SEGMENTS
        && !patterns[SERVICE].contains(['*', '?'])
        && patterns.iter().zip(&asked).all(|(p, a)| covers(p, a))
}

/// Whether `pattern` matches whatever text `asked` stands for: a `*` of
/// `asked` is taken only by a `*` of the pattern.
fn covers(pattern: &str, asked: &str) -> bool {
    let (pattern, asked) = (pattern.as_bytes(), asked.as_bytes());
    let (mut p, mut a) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while a < asked.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, a));
                p += 1;
            }
            Some(c) if *c == asked[a] || (*c == b'?' && asked[a] != b'*') => {
                p += 1;
                a += 1;
            }
            Some(_) | None => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    p = after_star;
                    a = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// Whether some text is matched by both. To the pattern colons are characters
/// like others; what a `*` of `asked` stands for holds none, as the ids of the
/// agent's resources do not.
fn meet(pattern: &[u8], asked: &[u8]) -> bool {
    // `row[a]`: the pattern so far and `asked[..a]` have a text in common.
    let mut row = vec![true];
    for c in asked {
        row.push(*c == b'*' && row[row.len() - 1]);
    }
    for p in pattern {
        let mut next = vec![*p == b'*' && row[0]];
        for (at, c) in asked.iter().enumerate() {
            let (above, before) = (row[at + 1], next[at]);
            next.push(match (*p, *c) {
                (b'*', _) => above || before,
                (b':', b'*') => before,
                (_, b'*') => above || before,
                (b'?', _) => row[at],
                (p, c) => row[at] && p == c,
            });
        }
        row = next;
    }
    row[row.len() - 1]
}

/// `pattern` with `*` for each policy variable.
fn variables_open(pattern: &str) -> String {
    let mut open = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find("${") {
        open.push_str(&rest[..at]);
        open.push('*');
        rest = rest[at..].find('}').map_or("", |end| &rest[at + end + 1..]);
    }
    open.push_str(rest);
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: &str = "arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef0";

    #[test]
    fn a_pattern_is_certain_by_segment_and_case_and_else_a_doubt() {
        for (pattern, expected) in [
            ("*", Reach::All),
            (INSTANCE, Reach::All),
            ("arn:aws:ec2:*:*:instance/*", Reach::All),
            ("arn:aws*:ec2:eu-*-?:1111*:instance/i-0123*", Reach::All),
            ("arn:*:ec2:*:*:*", Reach::All),
            // Matched only across a colon, or by a wildcard for the service.
            ("arn:aws:ec2:*", Reach::Some),
            ("arn:aws:ec2:*instance/*", Reach::Some),
            ("arn:*", Reach::Some),
            ("arn:aws:*:*:*:instance/*", Reach::Some),
            // Matched only without regard to case.
            ("arn:aws:ec2:*:*:Instance/*", Reach::Some),
            ("ARN:aws:ec2:*:*:instance/*", Reach::Some),
            // Variables.
            ("${ec2:SourceInstanceARN}", Reach::Some),
            ("arn:aws:ec2:*:*:instance/${aws:userid}", Reach::Some),
            ("arn:aws:s3:::logs/${aws:userid}", Reach::None),
            ("${unclosed", Reach::Some),
            // Others.
            ("", Reach::None),
            ("arn:aws:ec2:*:*:instance/i-1*", Reach::None),
            ("arn:aws:ec2:us-east-1:*:instance/*", Reach::None),
            ("arn:aws:ec2:::instance/*", Reach::None),
            ("arn:aws:ssm:*:*:managed-instance/*", Reach::None),
        ] {
            assert_eq!(reach(pattern, INSTANCE), expected, "{pattern}");
        }
    }

    #[test]
    fn where_many_arns_are_asked_about_a_pattern_must_take_all_of_them() {
        const ASKED: &str = "arn:aws:ssm:eu-central-1:*:document/*";
        for (pattern, expected) in [
            ("arn:aws:ssm:*:*:document/*", Reach::All),
            ("arn:aws:ssm:eu-central-1:*:*", Reach::All),
            ("arn:aws:ssm:*:*:document/AWS-*", Reach::Some),
            ("arn:aws:ssm:*:111122223333:document/*", Reach::Some),
            ("arn:aws:ssm:*:*:document/?", Reach::Some),
            ("arn:aws:ssm:*:*:*/AWS-RunPatchBaseline", Reach::Some),
            ("arn:aws:ssm:*:*:association/*", Reach::None),
            ("arn:aws:ec2:*:*:instance/*", Reach::None),
        ] {
            assert_eq!(reach(pattern, ASKED), expected, "{pattern}");
        }
        assert_eq!(reach("arn:aws:ssm:*:*:document/*", "*"), Reach::Some);
    }
}
