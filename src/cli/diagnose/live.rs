//! Reads the live state of the nodes with the caller's own credentials.

use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout};

use crate::aws::{LiveState, Session};
use crate::diagnose::by_id::{diagnose_by_id, finding_of};
use crate::diagnose::live::{self, Recent};
use crate::diagnose::{Home, Needs};
use crate::finding::Finding;
use crate::node::{IdSource, Node, Region};

use super::{Args, Reading};

/// What is not read by then is told as not read.
const AT_MOST: Duration = Duration::from_secs(60);

/// After so long a person wants to know that something happens.
const LONG: Duration = Duration::from_secs(2);

pub(super) fn read(args: &Args) -> Result<Reading, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|fault| format!("cannot start reading: {fault}"))?;
    runtime.block_on(all(args))
}

async fn all(args: &Args) -> Result<Reading, String> {
    let region = args.region.as_ref().map(Region::as_str);
    let session = Session::of_caller(args.profile.as_deref(), region).await;
    let region = session.region().await.and_then(Region::parse);
    let region = region.ok_or("no Region is configured; name one by --region")?;
    let home = Home {
        account: None,
        region: Some(region.clone()),
    };
    let mut ids = args.nodes.clone();
    ids.sort();
    ids.dedup();
    let now = Timestamp::now();
    let asked = ids.into_iter().map(|id| {
        let node = Node {
            id,
            id_source: IdSource::Caller,
            account: None,
            region: Some(region.clone()),
        };
        finding_of(node, now)
    });
    let asked: Vec<Finding> = asked.collect();
    let needs = Needs::of(&asked, &home);
    let began = Instant::now();
    let reads = Arc::new(LiveState::new(Arc::new(session)));
    let reads = Recent::new(reads, Arc::default(), began, Duration::ZERO);
    let reads = Arc::new(reads);
    let mut reading = pin!(live::read(&needs, &reads, began + AT_MOST));
    let facts = match timeout(LONG, &mut reading).await {
        Ok(facts) => facts,
        Err(_) => {
            let shown = io::stderr().is_terminal();
            note(shown, "Reading live state \u{2026}");
            let facts = reading.await;
            note(shown, "\r\u{1b}[K");
            facts
        }
    };
    let diagnosed = asked.into_iter();
    let diagnosed = diagnosed.map(|asked| diagnose_by_id(asked, &facts, &home));
    Ok(Reading {
        region,
        diagnosed: diagnosed.collect(),
    })
}

/// Nothing depends on whether it is seen.
fn note(shown: bool, text: &str) {
    if shown {
        let _ = io::stderr().write_all(text.as_bytes());
    }
}
