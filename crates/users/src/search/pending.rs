//! Making accounts findable that were written many at a time, without what they are searched by.

use std::collections::BTreeSet;

use kernel::UserId;
use storage::{Conn, Connection as _, Result, Tx, execute, fetch_all, fetch_one};

use super::fold;
use super::statement::{Statement, Value};
use super::text::{refresh, text_of};
use crate::Users;

/// How many accounts one round takes in: on SQLite everybody who writes waits for one.
const BATCH: i64 = 1_000;
/// Rows in one statement.
const PIECE: usize = 500;

#[derive(sqlx::FromRow)]
struct Pending {
    id: UserId,
    name: Option<String>,
    email_canonical: String,
}

#[derive(sqlx::FromRow)]
struct Id {
    id: UserId,
}

#[derive(sqlx::FromRow)]
struct Newest {
    newest: i64,
}

/// Takes in a thousand accounts at most. Whether there may be more. Any number of processes may.
pub async fn fold_pending(users: &Users) -> Result<bool> {
    let sql = "SELECT id, name, email_canonical FROM users WHERE NOT searchable ORDER BY id LIMIT $1";
    let pending: Vec<Pending> = fetch_all!(&mut users.db.read().await?, sql, BATCH)?;
    if pending.is_empty() {
        return Ok(false);
    }
    let mut tx = users.db.begin().await?;
    let newest: Newest = fetch_one!(&mut tx, "SELECT COALESCE(MAX(number), 0) AS newest FROM user_texts")?;
    for piece in pending.chunks(PIECE) {
        take_in(&mut tx, piece).await?;
    }
    if let Conn::Sqlite(_) = tx.conn() {
        let sql = "INSERT INTO user_text_index (rowid, text) SELECT number, text FROM user_texts WHERE number > $1";
        execute!(&mut tx, sql, newest.newest)?;
    }
    tx.commit().await?;
    Ok(i64::try_from(pending.len()).is_ok_and(|count| count == BATCH))
}

/// Writes the columns and the lines of these accounts. Who has been taken in by somebody else since they were read stays
/// as that one wrote it.
async fn take_in(tx: &mut Tx, piece: &[Pending]) -> Result<()> {
    let folded: Vec<Option<String>> = piece.iter().map(|row| row.name.as_deref().map(fold)).collect();
    let mut statement = Statement::new("WITH").and("folded (id, name_folded) AS (VALUES");
    for (number, (row, folded)) in piece.iter().zip(&folded).enumerate() {
        statement = statement.and(if number == 0 { "(" } else { ", (" }).value(Value::Id(row.id)).and(",");
        statement = statement.value(Value::Maybe(folded.clone())).and(")");
    }
    // Whoever writes another name or address makes the account searchable at once, so it is not taken here. Said twice
    // which they are: by the join alone, SQLite goes through everybody who still waits and looks whether they are meant.
    let statement = statement
        .and(") UPDATE users SET name_folded = folded.name_folded, searchable = true FROM folded")
        .and("WHERE users.id IN (SELECT id FROM folded) AND users.id = folded.id")
        .and("AND (NOT users.searchable) IS TRUE RETURNING users.id")
        .planned_anew();
    let taken: BTreeSet<UserId> = statement.fetch::<Id>(tx).await?.into_iter().map(|row| row.id).collect();
    let mut lines = Vec::new();
    for (row, folded) in piece.iter().zip(&folded).filter(|(row, _)| taken.contains(&row.id)) {
        lines.push((row.id, text_of(folded.as_deref(), &row.email_canonical)));
    }
    if lines.is_empty() {
        return Ok(());
    }
    let mut statement = Statement::new("INSERT INTO").and("user_texts (user_id, text) VALUES");
    for (number, (id, text)) in lines.iter().enumerate() {
        statement = statement.and(if number == 0 { "(" } else { ", (" });
        statement = statement.value(Value::Id(*id)).and(",").value(Value::Text(text.clone())).and(")");
    }
    let statement = statement.and("ON CONFLICT (user_id) DO NOTHING RETURNING user_id AS id").planned_anew();
    let written: BTreeSet<UserId> = statement.fetch::<Id>(tx).await?.into_iter().map(|row| row.id).collect();
    // Whoever had a line already has it compared and replaced.
    for id in taken.difference(&written) {
        refresh(tx, *id).await?;
    }
    Ok(())
}
