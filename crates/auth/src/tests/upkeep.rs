//! What is thrown away when nobody needs it any more.

use std::time::Duration;

use kernel::Timestamp;
use users::Authority;
use users::statistics;

use super::{World, on_both};
use crate::{ImportBatch, ImportOptions, NotTaken};

const DAY: u64 = 86_400;
const FILE: [u8; 32] = [7; 32];

on_both! {
    async fn how_far_a_file_was_imported_is_forgotten_after_30_days_without_a_batch(world: World) {
        let auth = &world.auth;
        let not_taken = vec![NotTaken { line: 1, is_duplicate: false, reason: "email: The row has none.".into() }];
        let batch = |from: u64, is_last| ImportBatch {
            file: FILE,
            source: "jsonl".into(),
            from,
            to: from + 1,
            is_last,
            unreadable: not_taken.clone(),
            rows: Vec::new(),
        };
        let options = ImportOptions::default();
        let write = async |batch: ImportBatch| {
            let prepared = crate::prepare_import(auth, &options, batch);
            crate::import_batch(auth, Authority::Operator, &options, prepared).await.unwrap()
        };
        let begin = async || crate::begin_import(auth, &FILE, "jsonl", false).await.unwrap();
        assert_eq!(begin().await.position, 0);
        assert_eq!(write(batch(0, false)).await.not_taken, not_taken);
        let state = begin().await;
        assert_eq!((state.position, state.refused), (1, 1));
        assert_eq!(state.not_taken, not_taken, "whoever goes on is told what the report may lack");

        world.clock.advance(Duration::from_secs(30 * DAY - 1));
        while crate::sweep(auth).await.unwrap() {}
        assert_eq!(begin().await.position, 1);
        world.clock.advance(Duration::from_secs(2));
        while crate::sweep(auth).await.unwrap() {}
        assert_eq!(begin().await.position, 0);

        // One that is over keeps nothing of its rows, and goes as well.
        write(batch(0, true)).await;
        assert!(begin().await.not_taken.is_empty());
    }

    async fn counts_are_kept_for_two_years(world: World) {
        let users = world.auth.users();
        let db = world.auth.db().clone();
        // On PostgreSQL somebody has to number what happened before it is counted.
        let numbering = tokio::spawn(async move { db.keep().await });
        world.register("ann@example.com").await;
        let begun = world.clock.now();
        let counted = async || {
            let mut read = users.db.read().await.unwrap();
            statistics::totals(&mut read, Timestamp::from_unix_seconds(0), begun.plus_seconds(1)).await.unwrap().len()
        };
        for _ in 0..1_500 {
            while statistics::count_events(users).await.unwrap() {}
            if counted().await > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(counted().await > 0);
        // The hour that is counted began within the hour before.
        world.clock.advance(Duration::from_secs(2 * 366 * DAY - 3_600));
        while statistics::sweep(users).await.unwrap() {}
        assert!(counted().await > 0);
        world.clock.advance(Duration::from_secs(3_601));
        while statistics::sweep(users).await.unwrap() {}
        assert_eq!(counted().await, 0);
        numbering.abort();
    }
}
