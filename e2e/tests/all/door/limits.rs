//! G6: too much, too slow, too many.

use std::time::{Duration, Instant};

use e2e::{send_raw, send_raw_for};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::Door;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_a_head_that_is_too_large_is_431() {
    let door = Door::start().await;
    let long = format!("X-Long: {}\r\n", "x".repeat(40 * 1024));
    let many = (0..2_000).map(|number| format!("X-{number}: y\r\n")).collect::<Vec<_>>().concat();
    let large = |number| format!("X-{number}: {}\r\n", "y".repeat(1_000));
    let flood = (0..64).map(large).collect::<Vec<_>>().concat();
    for headers in [long, many, flood] {
        let answer = door.send("GET /open/x HTTP/1.1", &headers).await;
        assert_eq!(answer.status(), 431, "{} bytes of headers: {:.200}", headers.len(), answer.text);
        assert!(answer.is_closed);
    }
    let answer = door.send(&format!("GET /open/{} HTTP/1.1", "x".repeat(70_000)), "").await;
    // The parser gives up on an address that long before anybody can say which of the three it is.
    assert!(matches!(answer.status(), 400 | 414 | 431) && answer.is_closed, "{:.200}", answer.text);
    // A head that never ends is given up before it fills the memory.
    let endless = format!("GET /open/x HTTP/1.1\r\nHost: {}\r\nX: {}", door.host(), "x".repeat(1 << 20));
    let answer = send_raw(&door.app.url, endless.as_bytes()).await;
    assert!(answer.is_closed && answer.took < Duration::from_secs(9), "{:?}", answer.took);
    assert_eq!(door.upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_who_is_slow_to_ask_is_hung_up_on() {
    let door = Door::start().await;
    let patience = Duration::from_secs(20);
    let head = format!("GET /open/x HTTP/1.1\r\nHost: {}\r\n", door.host());
    let half = send_raw_for(&door.app.url, head.as_bytes(), patience);
    let begun = Instant::now();
    let drip = async {
        let mut connection = door.app.connect().await;
        for byte in head.bytes().cycle() {
            if connection.write_all(&[byte]).await.is_err() {
                return true;
            }
            if begun.elapsed() > patience {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        false
    };
    let (half, drip) = tokio::join!(half, drip);
    assert!(half.is_closed, "a connection with half a head is open after {:?}", half.took);
    assert!(half.took < Duration::from_secs(15), "half a head was waited for {:?}", half.took);
    assert!(drip, "a head that comes byte by byte is waited for without end");
    assert_eq!(door.upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g6_many_slow_connections_leave_good_traffic_alone() {
    const SLOW: usize = 3_000;
    // Both this program and the one that it starts need a file for each.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    assert!(maximum.is_none_or(|maximum| maximum > 4_000), "this needs 4,000 open files: {maximum:?}");
    let door = Door::start().await;
    let good = async || {
        let mut times = Vec::new();
        for _ in 0..100 {
            times.push(door.ann.get("/quiz/x").await.is(200).took);
        }
        times.sort();
        times[90]
    };
    let before = good().await;
    let mut slow = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..SLOW {
        let mut connection = door.app.connect().await;
        let head = format!("POST /open/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n", door.host());
        slow.spawn(async move {
            connection.write_all(head.as_bytes()).await.unwrap();
            // The rest of the head never comes; this ends when the door has had enough.
            drop(connection.read(&mut [0]).await);
        });
    }
    let during = good().await;
    // The machine is shared with other tests, so this only tells a door that is shut from one that is open.
    let allowed = before * 4 + Duration::from_secs(1);
    assert!(during < allowed, "90 of 100 requests took {during:?}, and {before:?} before");
    // After ten seconds the door has had enough of the first of them, and a busy machine may be that slow.
    if begun.elapsed() < Duration::from_secs(8) {
        assert!(slow.try_join_next().is_none(), "the slow ones were not held while the others were served");
    }
    slow.abort_all();
    door.app.get("/health/ready").await.is(200);
}
