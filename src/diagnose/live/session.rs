//! The preferences of Session Manager, and what they name.

use super::calls::{AwsReader, DescribeKey, DescribeLogGroups, GetBucketEncryption, GetDocument};
use super::reader::Reader;
use crate::diagnose::check::Query;
use crate::diagnose::facts::{Fetched, Registrations, SessionFacts};
use crate::diagnose::needs::Needs;
use crate::diagnose::preferences::{DOCUMENT, Named, Preferences};

pub(super) async fn read<R: AwsReader>(
    needs: &Needs,
    registrations: &Registrations,
    reader: &Reader<R>,
) -> SessionFacts {
    let wanted = needs.session_preferences(registrations);
    let document = wanted.then(|| DOCUMENT.to_owned());
    let preferences = reader.each(document, GetDocument).await;
    let preferences = preferences.into_values().next();
    let document = preferences.as_ref().and_then(Fetched::found);
    let named = document.filter(|_| needs.is_wanted(Query::SessionResources));
    let named = named.and_then(|document| Preferences::read(document).ok());
    let named = named.unwrap_or_default();
    let asked = |name: Option<Named<'_>>| Some(name?.ok()?.to_owned());
    let (key, bucket, log_group) = tokio::join!(
        reader.each(asked(named.key(needs.region())), DescribeKey),
        reader.each(asked(named.bucket()), GetBucketEncryption),
        reader.each(asked(named.log_group()), DescribeLogGroups),
    );
    SessionFacts {
        key: key.into_values().next(),
        bucket: bucket.into_values().next(),
        log_group: log_group.into_values().next(),
        preferences,
    }
}
