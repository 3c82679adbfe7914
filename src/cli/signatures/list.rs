//! The catalogue as a list.

use crate::signature::{Kind, Part, Signature};

/// One line for each signature of `kind` and `part`, in the order of the catalogue.
pub(super) fn render(signatures: &[Signature], kind: Option<Kind>, part: Option<Part>) -> String {
    let rows: Vec<[String; 4]> = signatures
        .iter()
        .filter(|one| kind.is_none_or(|kind| one.kind == kind))
        .filter(|one| part.is_none_or(|part| one.part == part))
        .map(|one| {
            [
                one.id.to_owned(),
                one.kind.to_string(),
                causes(one),
                one.title.to_owned(),
            ]
        })
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    rows.iter()
        .map(|[id, kind, causes, title]| {
            format!(
                "{id:0$}  {kind:1$}  {causes:2$}  {title}\n",
                widths[0], widths[1], widths[2]
            )
        })
        .collect()
}

/// The likeliest cause, and how many more there are.
fn causes(signature: &Signature) -> String {
    match (signature.causes, signature.kind) {
        ([], Kind::Fault) => "by the error in it".to_owned(),
        ([], Kind::Symptom | Kind::Recovery | Kind::Benign) => "-".to_owned(),
        ([only], _) => only.to_string(),
        ([first, more @ ..], _) => format!("{first} +{}", more.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::signatures::tests::sample;
    use crate::signature::builtin;

    #[test]
    fn the_list_is_of_one_line_each_in_columns() {
        let catalogue = builtin();
        let all = render(catalogue, None, None);
        assert_eq!(all.lines().count(), catalogue.len());
        let signatures: Vec<Signature> = sample().iter().map(|entry| entry.signature).collect();
        insta::assert_snapshot!(render(&signatures, None, None), @r#"
        own-check-failed  fault     host-permission +2  Our own check of the host failed
        own-error         fault     by the error in it  A call of ours failed
        own-check-passed  recovery  -                   Our own check of the host passed
        "#);
    }

    #[test]
    fn kind_and_part_narrow_it() {
        let catalogue = builtin();
        let count = |kind, part| render(catalogue, kind, part).lines().count();
        let sum: usize = Kind::ALL.iter().map(|kind| count(Some(*kind), None)).sum();
        assert_eq!(sum, catalogue.len());
        let sum: usize = Part::ALL.iter().map(|part| count(None, Some(*part))).sum();
        assert_eq!(sum, catalogue.len());
        let both = count(Some(Kind::Fault), Some(Part::Health));
        assert!(both > 0 && both < count(None, Some(Part::Health)), "{both}");
    }
}
