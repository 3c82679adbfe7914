//! Patterns with `*` and `?`: of actions and services, which have no case, and
//! of resources, held against the ARNs that an action is checked on.
//!
//! A resource pattern is certain only where it matches as IAM documents it: with regard
//! to case, and segment by segment ("IAM JSON policy elements: Resource" says
//! that a `*` at the end of a segment *can* reach beyond the colon, and that
//! the service segment takes no wildcard). What matches only more loosely, or
//! holds a policy variable, is a doubt.

/// How much of the ARNs that an asked text stands for a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coverage {
    None,
    /// Some of them, or it may.
    Some,
    All,
}

/// `asked` is an ARN in which `*` stands for any text, or `*` alone where
/// nothing is known of it.
pub(super) fn coverage(pattern: &str, asked: &str) -> Coverage {
    if pattern == "*" || (!pattern.contains("${") && by_segment(pattern, asked)) {
        return Coverage::All;
    }
    if asked == "*" {
        return Coverage::Some;
    }
    let loosely = variables_open(pattern).to_ascii_lowercase();
    match matches(&loosely, &asked.to_ascii_lowercase(), true) {
        true => Coverage::Some,
        false => Coverage::None,
    }
}

/// Whether `text`, in which `*` does not occur, matches `pattern`, as actions do
/// ("IAM JSON policy elements: Action").
pub(super) fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    matches(&pattern, &text, false)
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
        && patterns
            .iter()
            .zip(&asked)
            .all(|(p, a)| matches(p, a, false))
}

/// Whether `pattern` matches the texts that `asked` stands for: all of them, so
/// that a `*` of `asked` is taken only by a `*` of the pattern, or `any`. To the
/// pattern colons are characters like others; what a `*` of `asked` stands for
/// holds none, as the ids of the agent's resources do not.
fn matches(pattern: &str, asked: &str, any: bool) -> bool {
    // `row[a]`: the pattern so far matches `asked[..a]`.
    let mut row = vec![true];
    for c in asked.bytes() {
        row.push(any && c == b'*' && row[row.len() - 1]);
    }
    for p in pattern.bytes() {
        let mut next = vec![p == b'*' && row[0]];
        for (at, c) in asked.bytes().enumerate() {
            let (above, before) = (row[at + 1], next[at]);
            next.push(match (p, c) {
                (b'*', _) => above || before,
                (_, b'*') => any && (before || (p != b':' && above)),
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
    let mut parts = pattern.split("${");
    let mut open = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        open.push('*');
        open.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANCE: &str = "arn:aws:ec2:eu-central-1:111122223333:instance/i-0123456789abcdef0";

    #[test]
    fn patterns_match_as_iam_reads_them() {
        for pattern in [
            "sts:AssumeRole",
            "STS:assumerole",
            "sts:*",
            "*",
            "**",
            "sts:Assume*",
            "sts:?ssumeRole",
            "*:AssumeRole",
            "sts:AssumeRole*",
            "s*s:*e*Role",
        ] {
            assert!(
                matches_ignoring_case(pattern, "sts:AssumeRole"),
                "{pattern}"
            );
        }
        for pattern in [
            "",
            "sts:AssumeRoleWithSAML",
            "sts:AssumeRole?",
            "sts:TagSession",
            "sts:assume",
            "ts:AssumeRole",
            "iam:*",
            "*WithSAML",
            "é*",
        ] {
            assert!(
                !matches_ignoring_case(pattern, "sts:AssumeRole"),
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_pattern_is_certain_by_segment_and_case_and_else_a_doubt() {
        for (pattern, expected) in [
            ("*", Coverage::All),
            (INSTANCE, Coverage::All),
            ("arn:aws:ec2:*:*:instance/*", Coverage::All),
            ("arn:aws*:ec2:eu-*-?:1111*:instance/i-0123*", Coverage::All),
            ("arn:*:ec2:*:*:*", Coverage::All),
            // Matched only across a colon, or by a wildcard for the service.
            ("arn:aws:ec2:*", Coverage::Some),
            ("arn:aws:ec2:*instance/*", Coverage::Some),
            ("arn:*", Coverage::Some),
            ("arn:aws:*:*:*:instance/*", Coverage::Some),
            // Matched only without regard to case.
            ("arn:aws:ec2:*:*:Instance/*", Coverage::Some),
            ("ARN:aws:ec2:*:*:instance/*", Coverage::Some),
            // Variables.
            ("${ec2:SourceInstanceARN}", Coverage::Some),
            ("arn:aws:ec2:*:*:instance/${aws:userid}", Coverage::Some),
            ("arn:aws:s3:::logs/${aws:userid}", Coverage::None),
            ("${unclosed", Coverage::Some),
            // Others.
            ("", Coverage::None),
            ("arn:aws:ec2:*:*:instance/i-1*", Coverage::None),
            ("arn:aws:ec2:us-east-1:*:instance/*", Coverage::None),
            ("arn:aws:ec2:::instance/*", Coverage::None),
            ("arn:aws:ssm:*:*:managed-instance/*", Coverage::None),
        ] {
            assert_eq!(coverage(pattern, INSTANCE), expected, "{pattern}");
        }
    }

    #[test]
    fn where_many_arns_are_asked_about_a_pattern_must_take_all_of_them() {
        const ASKED: &str = "arn:aws:ssm:eu-central-1:*:document/*";
        for (pattern, expected) in [
            ("arn:aws:ssm:*:*:document/*", Coverage::All),
            ("arn:aws:ssm:eu-central-1:*:*", Coverage::All),
            ("arn:aws:ssm:*:*:document/AWS-*", Coverage::Some),
            ("arn:aws:ssm:*:111122223333:document/*", Coverage::Some),
            ("arn:aws:ssm:*:*:document/?", Coverage::Some),
            ("arn:aws:ssm:*:*:*/AWS-RunPatchBaseline", Coverage::Some),
            ("arn:aws:ssm:*:*:association/*", Coverage::None),
            ("arn:aws:ec2:*:*:instance/*", Coverage::None),
        ] {
            assert_eq!(coverage(pattern, ASKED), expected, "{pattern}");
        }
        assert_eq!(coverage("arn:aws:ssm:*:*:document/*", "*"), Coverage::Some);
    }
}
