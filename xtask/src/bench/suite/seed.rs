//! Folders with as many accounts as a row wants, without signing each of them up: one account is
//! made by the program itself, the others are copies of its rows under other ids and addresses.

use std::path::Path;

use anyhow::{Context as _, Result};
use kernel::Clock;
use serde_json::json;
use storage::{Db, Migration, Settings, execute, fetch_all};

use super::client::{Connection, post};
use super::program::Program;

/// What all of them sign in with.
pub const PASSWORD: &str = "purple lantern drifts slowly";

/// The address of account number `number`, from 1.
pub fn email(number: usize) -> String {
    format!("user{number}@bench.example")
}

/// Makes a folder whose database has this many accounts, each with one session.
pub async fn folder(folder: &Path, accounts: usize) -> Result<()> {
    let program = Program::start(folder)?;
    let body = json!({"email": "template@bench.example", "password": PASSWORD});
    let mut connection = Connection::open(program.port).await?;
    connection.call(&post("/api/v1/auth/register", &body)).await?.expect(201)?;
    drop(connection);
    program.stop()?;

    let db = Db::open(&Settings::sqlite(folder.join("usher.db"), 2), &migrations(), false).await?;
    copy_template(&db, accounts).await.context("cannot copy the template account")?;
    db.close().await;
    Ok(())
}

/// The ids of these accounts, the oldest first.
pub async fn ids(folder: &Path) -> Result<Vec<String>> {
    let db = Db::open(&Settings::sqlite(folder.join("usher.db"), 2), &migrations(), false).await?;
    let rows: Vec<(String,)> = fetch_all!(
        &mut db.read().await?,
        "SELECT hex(id) FROM users WHERE email_canonical <> 'template@bench.example' ORDER BY id"
    )?;
    db.close().await;
    let id =
        |(hex,): &(String,)| [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-").to_lowercase();
    Ok(rows.iter().map(id).collect())
}

/// What the schema is made of.
pub fn migrations() -> Vec<Migration> {
    [storage::MIGRATIONS, users::MIGRATIONS, auth::MIGRATIONS, signals::MIGRATIONS, notify::MIGRATIONS].concat()
}

async fn copy_template(db: &Db, accounts: usize) -> Result<()> {
    let accounts = i64::try_from(accounts)?;
    // Ids of accounts that came a second apart, the last one just now, each a UUIDv7 (RFC 9562 §5.7).
    let first = Clock::system().now().unix_micros() / 1000 - accounts * 1000;
    let mut tx = db.begin().await?;
    execute!(
        &mut tx,
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $1)
         INSERT INTO users (id, email, email_canonical, email_verified, name, locale, status, epoch, sessions_from,
                            version, created_at, updated_at, last_login_at)
         SELECT unhex(printf('%012x7%03x8%03x', $2 + n * 1000, n % 4096, n % 4000) || hex(randomblob(6))),
                'user' || n || '@bench.example', 'user' || n || '@bench.example', email_verified, name, locale, status,
                epoch, sessions_from, version, ($2 + n * 1000) * 1000, ($2 + n * 1000) * 1000, last_login_at
         FROM numbers, users WHERE email_canonical = 'template@bench.example'",
        accounts,
        first
    )?;
    execute!(
        &mut tx,
        "INSERT INTO user_roles (user_id, role, granted_at)
         SELECT id, 'user', created_at FROM users WHERE email_canonical <> 'template@bench.example'"
    )?;
    execute!(
        &mut tx,
        "INSERT INTO passwords (user_id, hash, version, changed_at, confirmed_at)
         SELECT users.id, hash, passwords.version, changed_at, confirmed_at
         FROM passwords, users WHERE users.email_canonical <> 'template@bench.example'"
    )?;
    execute!(
        &mut tx,
        "INSERT INTO sessions (id, user_id, kind, epoch, generation, device_name, ip, user_agent, created_at,
                               last_seen_at, expires_at, ends_at, ended_at)
         SELECT unhex(substr(hex(users.id), 1, 16) || hex(randomblob(8))), users.id, kind, sessions.epoch, generation, device_name, ip,
                user_agent, sessions.created_at, last_seen_at, expires_at, ends_at, ended_at
         FROM sessions, users WHERE users.email_canonical <> 'template@bench.example'"
    )?;
    tx.commit().await?;
    Ok(())
}
