use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// Waits for what never has to wait: the memory's answers are there at once.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("in range")
}

fn key(name: &str) -> Key {
    Key::new(Kind::Incident, name)
}

fn get(memory: &Memory, name: &str) -> Option<Item> {
    let loaded = block_on(memory.load(&[key(name)], Consistency::Strong));
    loaded.expect("it can be read").remove(0)
}

fn put(memory: &Memory, name: &str, version: u64, value: &str) -> Result<(), SaveError> {
    let write = encode(&key(name), version, &value, at(100)).expect("it is small");
    block_on(memory.save(vec![write])).remove(0)
}

#[test]
fn only_what_was_read_last_is_replaced() {
    let memory = Memory::default();
    assert_eq!(put(&memory, "a", 1, "x"), Err(SaveError::Conflict));
    assert_eq!(put(&memory, "a", 0, "one"), Ok(()));
    assert_eq!(put(&memory, "a", 0, "x"), Err(SaveError::Conflict));
    assert_eq!(put(&memory, "a", 1, "two"), Ok(()));
    let read = decode::<String>(&key("a"), get(&memory, "a").as_ref(), at(0));
    let expected = Versioned {
        version: 2,
        value: Some("two".to_owned()),
    };
    assert_eq!(read, Ok(expected));
}

#[test]
fn what_has_expired_is_absent_and_keeps_its_version() {
    let memory = Memory::default();
    put(&memory, "a", 0, "one").expect("it is new");
    let read = decode::<String>(&key("a"), get(&memory, "a").as_ref(), at(100));
    let expected = Versioned {
        version: 1,
        value: None,
    };
    assert_eq!(read, Ok(expected));
    assert_eq!(put(&memory, "a", 1, "two"), Ok(()));
}

#[test]
fn the_memory_is_bounded_and_forgets_what_was_used_longest_ago() {
    let memory = Memory::default();
    let item = Item {
        version: 1,
        format: FORMAT,
        body: vec![0; 32 * 1024],
        expires_at: at(100),
        open: false,
    };
    for name in 0..2_000 {
        let (key, item) = (key(&name.to_string()), item.clone());
        let saved = block_on(memory.save(vec![Write { key, item }]));
        assert_eq!(saved, [Ok(())]);
        get(&memory, "0");
    }
    assert!(memory.bytes() <= memory::MAX_BYTES.get());
    assert!(get(&memory, "0").is_some() && get(&memory, "1999").is_some());
    assert_eq!(get(&memory, "1"), None);
}

#[test]
fn an_item_of_a_newer_function_or_that_is_damaged_is_named() {
    let mut item = encode(&key("a"), 0, &"one", at(100))
        .expect("it is small")
        .item;
    item.format = FORMAT + 1;
    let newer = decode::<String>(&key("a"), Some(&item), at(0)).expect_err("it is newer");
    assert_eq!(newer.name(), "StateNewer");
    assert!(
        newer
            .to_string()
            .starts_with("incident#a has the format 2 of a newer version")
    );
    item.format = FORMAT;
    let other = decode::<u32>(&key("a"), Some(&item), at(0));
    assert_eq!(other, Err(StateError::Damaged(key("a"))));
    item.body.truncate(3);
    let cut = decode::<String>(&key("a"), Some(&item), at(0));
    assert_eq!(cut, Err(StateError::Damaged(key("a"))));
}

#[test]
fn an_item_that_is_too_large_is_not_written() {
    let numbers: Vec<u64> = (1..40_000u64)
        .map(|n| n.wrapping_mul(n).wrapping_mul(2_654_435_761))
        .collect();
    let large = encode(&key("a"), 0, &numbers, at(100));
    assert_eq!(large, Err(StateError::TooLarge(key("a"))));
}

#[test]
fn a_name_that_is_too_long_for_a_key_is_taken_by_its_digest() {
    let long = |end: &str| Key::new(Kind::Stream, &format!("{}{end}", "x".repeat(2_000)));
    assert!(long("a").as_str().len() < 64);
    assert_ne!(long("a"), long("b"));
    assert_eq!(Key::new(Kind::Stream, "a/b").as_str(), "stream#a/b");
}

#[test]
fn what_is_open_is_found_by_its_kind() {
    let memory = Memory::default();
    for (name, kind, open) in [
        ("a", Kind::Node, true),
        ("b", Kind::Node, false),
        ("c", Kind::Incident, true),
    ] {
        let mut write = encode(&Key::new(kind, name), 0, &name, at(100)).expect("it is small");
        write.item.open = open;
        assert_eq!(block_on(memory.save(vec![write])), [Ok(())]);
    }
    let open = block_on(memory.open(Kind::Node)).expect("it can be read");
    let names: Vec<Option<&str>> = open.iter().map(|key| key.name_of(Kind::Node)).collect();
    assert_eq!(names, [Some("a")]);
}
