//! The promises of a transaction on SQLite: acknowledged is on disk with its event, dropped leaves
//! nothing, and neither one's failure nor one's hanging up costs another their write.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::{Clock, Event, Kind};

use crate::{Db, Error, MIGRATIONS, Migration, OpenError, Settings, ledger};

const NOTES: Migration = Migration {
    owner: "tests",
    version: 1,
    name: "notes",
    shared: "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT NOT NULL)@strict;",
    sqlite: "",
    postgres: "",
};

fn migrations() -> Vec<Migration> {
    [MIGRATIONS, &[NOTES]].concat()
}

async fn open(folder: &tempfile::TempDir) -> Db {
    // A thousand write at once here, and other tests run beside this one.
    let patient =
        Settings { acquire_timeout: Duration::from_mins(1), ..Settings::sqlite(folder.path().join("usher.db"), 4) };
    Db::open(&patient, &migrations(), true).await.unwrap()
}

fn event() -> Event {
    Event::new(Kind::SessionStarted, Clock::system().now())
}

async fn write(db: &Db, id: i64) -> crate::Result<()> {
    let mut tx = db.begin().await?;
    execute!(&mut tx, "INSERT INTO notes (id, text) VALUES ($1, $2)", id, "text")?;
    tx.append(event());
    tx.commit().await
}

#[derive(sqlx::FromRow)]
struct Count {
    count: i64,
}

async fn count(db: &Db) -> i64 {
    let row: Count = fetch_one!(&mut db.read().await.unwrap(), "SELECT COUNT(*) AS count FROM notes").unwrap();
    row.count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_writers_share_commits_and_the_ledger_has_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    let heard = Arc::new(Mutex::new(0));
    let counting = heard.clone();
    db.on_commit(Box::new(move |events| *counting.lock().unwrap() += events.len()));
    let writers: Vec<_> = (0..1000)
        .map(|id| {
            tokio::spawn({
                let db = db.clone();
                async move { write(&db, id).await }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(count(&db).await, 1000);
    assert_eq!(*heard.lock().unwrap(), 1000);
    let mut read = db.read().await.unwrap();
    let entries = ledger::after(&mut read, -1, 2000).await.unwrap();
    assert!(entries.iter().map(|(index, _)| *index).eq(0..1000));
    assert_eq!(*db.head().borrow(), 999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_transaction_leaves_nothing_and_costs_others_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    let tasks: Vec<_> = (0..300)
        .map(|id| {
            let db = db.clone();
            tokio::spawn(async move {
                if id % 3 == 0 {
                    let mut tx = db.begin().await.unwrap();
                    execute!(&mut tx, "INSERT INTO notes (id, text) VALUES ($1, $2)", id, "dropped").unwrap();
                    tx.append(event());
                } else {
                    write(&db, id).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&db).await, 200);
    assert_eq!(ledger::newest(&mut db.read().await.unwrap()).await.unwrap(), 199);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_statement_fails_its_own_transaction_only() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    write(&db, 1).await.unwrap();
    let (same, other) = tokio::join!(write(&db, 1), write(&db, 2));
    assert!(matches!(same, Err(Error::Broken(_))));
    other.unwrap();
    assert_eq!(count(&db).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hangs_up_anywhere_takes_nobody_along() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    let mut acknowledged = 0;
    for round in 0..400_i64 {
        let quitter = tokio::spawn({
            let db = db.clone();
            async move { write(&db, 10_000 + round).await }
        });
        let stayer = tokio::spawn({
            let db = db.clone();
            async move { write(&db, round).await }
        });
        tokio::time::sleep(Duration::from_micros(u64::try_from(round * 5).unwrap())).await;
        quitter.abort();
        tokio::time::timeout(Duration::from_secs(5), stayer).await.expect("nobody waits for ever").unwrap().unwrap();
        acknowledged += 1;
    }
    write(&db, 99_999).await.unwrap();
    let rows = count(&db).await;
    assert!(rows > acknowledged, "{rows}");
    assert_eq!(ledger::newest(&mut db.read().await.unwrap()).await.unwrap() + 1, rows, "each row has its event");
}

#[tokio::test]
async fn the_ledger_cannot_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    write(&db, 1).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    assert!(execute!(&mut tx, "UPDATE ledger SET kind = 'x'").is_err());
    drop(tx);
    let mut tx = db.begin().await.unwrap();
    assert!(execute!(&mut tx, "DELETE FROM ledger").is_err());
}

#[tokio::test]
async fn a_second_opener_and_a_newer_schema_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    let settings = Settings::sqlite(folder.path().join("usher.db"), 4);
    assert!(matches!(Db::open(&settings, &migrations(), true).await, Err(OpenError::InUse(_))));
    db.close().await;
    drop(db);
    assert!(Db::open(&settings, MIGRATIONS, true).await.err().unwrap().to_string().contains("newer"));
    Db::open(&settings, &migrations(), false).await.unwrap();
}
