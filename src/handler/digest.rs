//! The digest: one message about all incidents, since the one before.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::error::{HandlerError, UndeliveredNotification};
use super::invocation::Invocation;
use super::progress::not_checked;
use crate::incident::store::Incidents;
use crate::notify::digest::Digest;
use crate::state::{Key, Kind, SaveError, Slot, StateError, Store, load};

/// Far longer than between two digests.
const EXPIRES: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// What a digest asks of AWS.
pub(super) trait DigestServices {
    /// How many nodes Systems Manager knows, and has lost. The error says why they could
    /// not be counted.
    async fn count_nodes<C>(&self, by: &Invocation<C>) -> Result<(usize, usize), String>;

    /// Sends it before `until`. The error says why not, and holds the message.
    async fn send_digest(&self, digest: &Digest, until: Instant) -> Result<(), (String, String)>;
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Digests {
    /// The last one that was sent had what happened until then.
    until: Option<Timestamp>,
    /// The invocation that is about to send one, and when it ends at the latest.
    under_way: Option<(u64, Timestamp)>,
}

impl<C: Fn() -> Timestamp + Copy> Invocation<C> {
    /// Sends one message about what is remembered. Of two invocations at once one does:
    /// the other, and one whose message did not get out, fails and is tried again.
    pub(super) async fn digest<A: DigestServices, S: Store>(
        &self,
        services: &A,
        state: &S,
    ) -> Result<Digest, HandlerError> {
        let now = self.now;
        let key = Key::new(Kind::Digest, "last");
        let slots = load(state, std::slice::from_ref(&key), Key::clone, now).await?;
        let mut slot: Slot<Digests> = slots.into_iter().next().unwrap_or_default();
        let known = slot.value.unwrap_or(Digests {
            until: None,
            under_way: None,
        });
        let is_held = |(by, until): (u64, Timestamp)| by != self.me && now < until;
        if known.under_way.is_some_and(is_held) {
            return Err(under_way().into());
        }
        slot.value = Some(Digests {
            under_way: Some((self.me, self.ends_at)),
            ..known
        });
        save(&mut slot, &key, state, now).await?;
        let mut incidents = Incidents::new(self.reminder, self.me);
        let all = incidents.overview(state, now).await?;
        let not_checked = not_checked(state, now).await?;
        let home = &self.home;
        let place = (
            home.account.as_ref().map(ToString::to_string),
            home.region.as_ref().map(ToString::to_string),
        );
        let nodes = services.count_nodes(self).await;
        let digest = Digest::new(place, nodes, (&all, &not_checked), known.until, now);
        let sent = services.send_digest(&digest, self.budget.messages).await;
        slot.value = Some(Digests {
            until: if sent.is_ok() { Some(now) } else { known.until },
            under_way: None,
        });
        let saved = save(&mut slot, &key, state, now).await;
        if let Err((why, text)) = sent {
            let subject = "[SSM digest]".to_owned();
            let undelivered = UndeliveredNotification { why, subject, text };
            return Err(HandlerError::UndeliveredNotification(vec![undelivered]));
        }
        saved?;
        Ok(digest)
    }
}

fn under_way() -> StateError {
    StateError::Unavailable("another invocation was about to send a digest".to_owned())
}

async fn save<S: Store>(
    slot: &mut Slot<Digests>,
    key: &Key,
    state: &S,
    now: Timestamp,
) -> Result<(), StateError> {
    slot.dirty = true;
    let expires_at = now.saturating_add(EXPIRES).unwrap_or(Timestamp::MAX);
    let Some(write) = slot.write(key, expires_at)? else {
        return Ok(());
    };
    match state.save(vec![write]).await.pop() {
        Some(Ok(())) | None => slot.saved(),
        Some(Err(SaveError::Conflict)) => return Err(under_way()),
        Some(Err(SaveError::State(error))) => return Err(error),
    }
    Ok(())
}
