//! The feed as bytes in any portions, and how much of it is kept.

use proptest::prelude::*;

use super::*;
use crate::follow::feed::{Feed, Lost, Place};
use crate::follow::lines::{Event, Lines, TooLong};

fn stream() -> String {
    let snapshot = json!({
        "index": 10, "last": true, "access_seconds": 900, "subjects": [{"subject": "ann", "epoch": 3}],
        "sessions": ["one"], "keys": ["old"],
    });
    let epoch = json!({"index": 12, "previous": 10, "subject": "bob", "epoch": 4, "reason": "x"});
    let session = json!({"index": 15, "previous": 12, "subject": "ann", "session": "zwölf ☕", "reason": "x"});
    format!(
        "event: snapshot\nid: 10\ndata: {snapshot}\n\nid: 11\n\n: a comment\n\nevent: revoked\ndata: {epoch}\nid: 12\n\n\
         event: revoked\nid: 15\ndata: {session}\n\nevent: keys\ndata: {{\"withdrawn\": []}}\n\n:\nid: 20\n\n"
    )
}

/// Everything that can be seen of a feed after these portions.
fn outcome(portions: &[&[u8]]) -> impl PartialEq + std::fmt::Debug + use<> {
    let verifier = verifier();
    let mut feed = Feed::new(None, 900);
    let (mut events, mut snapshots, mut fetch_keys) = (0, 0, false);
    for portion in portions {
        let (heard, read) = feed.read(portion, verifier.revocations(), NOW);
        events += heard.events;
        snapshots += heard.snapshots;
        fetch_keys |= heard.fetch_keys;
        read.unwrap();
    }
    (feed.place, events, snapshots, fetch_keys, verifier.revocations().names(), verifier.revocations().applied())
}

proptest! {
    #[test]
    fn chunk_borders_change_nothing(
        borders in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let text = stream().replace('\n', line_end);
        let bytes = text.as_bytes();
        let mut borders: Vec<usize> = borders.iter().map(|border| border.index(bytes.len())).collect();
        borders.extend([0, bytes.len()]);
        borders.sort_unstable();
        let portions: Vec<&[u8]> = borders.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(outcome(&portions), outcome(&[stream().as_bytes()]));
    }

    #[test]
    fn no_bytes_are_a_panic_or_a_false_position(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let verifier = verifier();
        let mut feed = Feed::new(Some(7), 900);
        let (_, read) = feed.read(&bytes, verifier.revocations(), NOW);
        prop_assert_eq!(read, Ok(()));
        prop_assert!(verifier.revocations().is_empty());
    }
}

#[test]
fn the_whole_stream_is_understood() {
    let verifier = verifier();
    let mut feed = Feed::new(None, 1);
    let (heard, read) = feed.read(stream().as_bytes(), verifier.revocations(), NOW);
    assert_eq!(read, Ok(()));
    assert!(heard.is_current && heard.fetch_keys);
    assert_eq!((heard.snapshots, heard.events), (1, 7));
    assert_eq!(feed.place, Place::resumed(Some(20)));
    assert_eq!(verifier.revocations().applied(), 20);
    assert_eq!(feed.access_seconds(), 900);
    // Kept as long as a token of 900 seconds that was made now.
    verifier.revocations().sweep(NOW + 900 + 2 * LEEWAY - 1);
    assert_eq!(verifier.revocations().len(), 4);
    verifier.revocations().sweep(NOW + 900 + 2 * LEEWAY);
    assert_eq!(verifier.revocations().len(), 0);
}

#[test]
fn a_snapshot_may_take_the_applied_number_back() {
    let verifier = verifier();
    verifier.revocations().set_applied(5000);
    let mut feed = Feed::new(Some(5000), 900);
    feed.read(stream().as_bytes(), verifier.revocations(), NOW).1.unwrap();
    assert_eq!(verifier.revocations().applied(), 20);
}

#[test]
fn an_event_that_is_too_long_ends_the_reading() {
    let longest = 1024 * 1024;
    let read = |portion: &[u8], times: usize| {
        let mut lines = Lines::default();
        let mut events = 0;
        for _ in 0..times {
            let mut count = |_: Event| -> Result<(), TooLong> {
                events += 1;
                Ok(())
            };
            lines.read(portion, &mut count)?;
        }
        Ok(events)
    };
    // A comment, one line of data, and many of them, none of which ever ends the event.
    assert_eq!(read(b":aaaaaaa", longest / 8), Ok(0));
    assert_eq!(read(b":aaaaaaa", longest / 8 + 1), Err(TooLong));
    assert_eq!(read(b"data: aaaaaaaaaa\n", longest / 4), Err(TooLong));
    assert_eq!(read(&vec![b'a'; longest + 1], 1), Err(TooLong));
    // As much in many events is nothing.
    assert_eq!(read(b"data: aaaaaaaaaa\n\n", longest / 4), Ok(longest / 4));
    let verifier = verifier();
    let mut feed = Feed::new(Some(1), 900);
    let (_, read) = feed.read(&vec![b'a'; longest + 1], verifier.revocations(), NOW);
    assert_eq!((read, feed.place), (Err(Lost::NotUnderstood), Place::default()));
}
