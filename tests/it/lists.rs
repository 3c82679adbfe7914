//! Many nodes with one fault that each has by itself: one message with a list,
//! beside which every write keeps a message of its own.

use std::collections::BTreeSet;

use crate::support::answer::{incidents, nodes, outcome, undo_of};
use crate::support::instances::Launch;
use crate::support::mailbox::Mail;
use crate::support::proxy::ec2_denied;
use crate::support::scene::{ADVISE, REPAIR, Scene};

/// So many instances as `launch` makes them.
async fn launched(scene: &Scene, count: usize, launch: Launch<'_>) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(scene.launch(launch).await);
    }
    ids
}

#[tokio::test]
async fn written_nodes_keep_their_own_messages_beside_a_list() {
    for others in [5, 7] {
        let scene = Scene::new().await;
        let tagged = launched(&scene, 3, Launch::DARK).await;
        let untagged = launched(&scene, others, Launch::DARK_UNTAGGED).await;
        let all = scene.all_imds_off(tagged.iter().chain(&untagged));
        let report = scene.handle(REPAIR, &all).await;
        assert_eq!(scene.writes().len(), 3);

        let mails = scene.mailbox.take().await;
        let (repaired, open): (Vec<&Mail>, Vec<&Mail>) =
            mails.iter().partition(|mail| mail.state() == "repaired");
        assert_eq!(repaired.len(), 3, "{mails:#?}");
        for id in &tagged {
            let own: Vec<_> = (mails.iter()).filter(|m| m.text.contains(id)).collect();
            assert_eq!(own.len(), 1, "{id}");
            assert_eq!(own[0].state(), "repaired");
            assert!(own[0].text.contains(&undo_of(id)), "{}", own[0].text);
        }
        let messages = if others > 5 { 1 } else { others };
        assert_eq!(open.len(), messages, "{open:#?}");
        for id in &untagged {
            assert!(open.iter().any(|mail| mail.text.contains(id)), "{id}");
        }
        let reported: BTreeSet<&str> = incidents(&report).iter().flat_map(nodes).collect();
        assert_eq!(reported.len(), 3 + others);
    }
}

#[tokio::test]
async fn what_is_right_now_is_one_list_and_what_may_be_our_doing_is_not() {
    const COUNT: usize = 12;
    for (settings, tag, messages) in [
        (ADVISE, None, 0),
        (REPAIR, None, 0),
        // No guardrail stops it: each may have been written by another environment.
        (REPAIR, Some("allow"), COUNT),
    ] {
        let scene = Scene::new().await;
        let ids = launched(&scene, COUNT, Launch { tag, ..Launch::LIT }).await;
        let all = scene.all_imds_off(&ids);
        let report = scene.handle(settings, &all).await;
        let expected = if messages == 0 { 1 } else { COUNT };
        assert_eq!(incidents(&report).len(), expected, "{report:#}");
        assert!(
            (incidents(&report).iter()).all(|incident| outcome(incident) == "already-right"),
            "{report:#}"
        );
        let mails = scene.mailbox.take().await;
        assert_eq!(mails.len(), messages, "{mails:#?}");
        for id in ids.iter().filter(|_| messages > 0) {
            let own = mails.iter().filter(|mail| mail.text.contains(&undo_of(id)));
            assert_eq!(own.count(), 1, "{id}");
        }
        assert_eq!(scene.writes().len(), 0);
    }
}

#[tokio::test]
async fn sixty_batches_that_cannot_be_looked_into_are_a_few_messages() {
    let scene = Scene::new().await;
    scene.proxy.on("DescribeInstances", ec2_denied());
    let mut function = scene.function(ADVISE).await;
    let ids: Vec<String> = (1..=60).map(|n| format!("i-{n:017x}")).collect();
    for id in &ids {
        function.handle(&scene.imds_off(id)).await;
    }
    let mails = scene.mailbox.take().await;
    // By themselves, then the list and its growth.
    assert_eq!(mails.len(), 5 + 4, "{mails:#?}");
    for mail in &mails {
        let (_, unknown) = (mail.text.split_once("Could not determine: ")).expect("checks");
        let (unknown, _) = unknown.split_once("\n\n").expect("an end");
        let unknown = unknown.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut unknown: Vec<&str> = unknown.split_inclusive(". ").collect();
        let count = unknown.len();
        unknown.sort_unstable();
        unknown.dedup();
        assert_eq!(unknown.len(), count, "{}", mail.text);
    }
}
