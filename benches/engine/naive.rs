//! What the engine is measured against: one expression per signature, asked in
//! turn of every record.

use jiff::Timestamp;
use regex::Regex;
use ssm_agent_triage::batch::Batch;
use ssm_agent_triage::record::{Reader, Record};
use ssm_agent_triage::signature::Signature;

pub(crate) struct OneByOne<'s> {
    signatures: Vec<(&'s Signature, Regex)>,
}

impl<'s> OneByOne<'s> {
    pub(crate) fn new(signatures: &'s [Signature]) -> Self {
        let signatures = signatures
            .iter()
            .map(|signature| {
                let alternatives = |texts: &[&str]| -> String {
                    let texts: Vec<String> = texts.iter().map(|text| regex::escape(text)).collect();
                    texts.join("|")
                };
                let pattern = match (signature.pattern, signature.starts.is_empty()) {
                    (Some(pattern), _) => pattern.to_owned(),
                    (None, false) => format!("^(?:{})", alternatives(signature.starts)),
                    (None, true) => alternatives(signature.contains),
                };
                let regex = Regex::new(&pattern).expect("escaped texts, or a pattern that loads");
                (signature, regex)
            })
            .collect();
        Self { signatures }
    }

    /// How many records some signature recognises.
    pub(crate) fn count(&self, batches: &[Batch<'_>]) -> usize {
        let mut reader = Reader::default();
        let mut found = 0;
        for event in batches.iter().flat_map(|batch| &batch.events) {
            reader.text(&event.message, event.at, Timestamp::UNIX_EPOCH, |record| {
                found += usize::from(self.recognises(record));
            });
        }
        reader.close(|record| found += usize::from(self.recognises(record)));
        found
    }

    fn recognises(&self, record: &Record<'_>) -> bool {
        let flat = record.flat();
        self.signatures
            .iter()
            .any(|(signature, regex)| signature.reads(record.level) && regex.is_match(&flat))
    }
}
