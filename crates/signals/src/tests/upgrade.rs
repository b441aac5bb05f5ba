//! What a database of an older program has in it is there after the tables were made anew.

use kernel::id::{ServiceTokenId, StreamId};
use kernel::{Timestamp, UserId};
use storage::{Db, Migration, Settings, execute, fetch_one};

use super::ssf::new_database;

/// How many migrations there were before services could send.
const BEFORE_SENDERS: usize = 3;

#[derive(sqlx::FromRow)]
struct Found {
    token: ServiceTokenId,
    name: String,
}

async fn open(database: &Settings, own: &[Migration]) -> Db {
    let migrations = [storage::MIGRATIONS, users::MIGRATIONS, auth::MIGRATIONS, own].concat();
    Db::open(database, &migrations, true).await.unwrap()
}

async fn senders_come_to_a_database_with_streams(database: Settings) {
    let now = Timestamp::from_unix_seconds(1_795_000_000);
    let (receiver, stream) = (ServiceTokenId::new(now), StreamId::new(now));
    let older = open(&database, &crate::MIGRATIONS[..BEFORE_SENDERS]).await;
    let insert = "INSERT INTO service_tokens (id, kind, name, audience, created_at) VALUES ($1, $2, $3, $4, $5)";
    let mut tx = older.begin().await.unwrap();
    assert!(execute!(&mut tx, insert, ServiceTokenId::new(now), "sender", "shop", None::<&str>, now).is_err());
    drop(tx);
    let mut tx = older.begin().await.unwrap();
    execute!(&mut tx, insert, receiver, "receiver", "crm", "https://crm.example.com", now).unwrap();
    execute!(
        &mut tx,
        "INSERT INTO signal_streams (id, receiver_id, audience, status, algorithm, begins_after, failures, created_at,
             updated_at)
         VALUES ($1, $2, $3, 'enabled', 'ES256', -1, 0, $4, $4)",
        stream,
        receiver,
        "https://crm.example.com",
        now
    )
    .unwrap();
    tx.commit().await.unwrap();
    older.close().await;
    drop(older);

    let newer = open(&database, crate::MIGRATIONS).await;
    let mut tx = newer.begin().await.unwrap();
    let found: Found = fetch_one!(
        &mut tx,
        "SELECT service_tokens.id AS token, name FROM signal_streams
         JOIN service_tokens ON service_tokens.id = signal_streams.receiver_id"
    )
    .unwrap();
    assert_eq!((found.token, found.name.as_str()), (receiver, "crm"));
    execute!(&mut tx, insert, ServiceTokenId::new(now), "sender", "shop", None::<&str>, now).unwrap();
    tx.commit().await.unwrap();
    let mut tx = newer.begin().await.unwrap();
    let nobody = UserId::new(now);
    let points_nowhere = execute!(&mut tx, "UPDATE signal_streams SET receiver_id = $1 WHERE id = $2", nobody, stream);
    assert!(points_nowhere.is_err(), "a stream is still somebody's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_come_to_a_database_with_streams_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    senders_come_to_a_database_with_streams(Settings::sqlite(folder.path().join("usher.db"), 4)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_come_to_a_database_with_streams_postgres() {
    senders_come_to_a_database_with_streams(Settings::postgres(new_database().await, 8)).await;
}
