//! The text that an account is found by: all SQL that touches `user_texts` and SQLite's index of it, and the two
//! columns of `users` that go with it.

use kernel::UserId;
use storage::{Conn, Connection, Result, Tx, execute, fetch_optional};

use super::fold;

/// Name and address in one text. A line break stands between them and two at its end: nothing that people look
/// for has one, and every letter is the first of three.
pub(super) fn text_of(name_folded: Option<&str>, email_canonical: &str) -> String {
    match name_folded {
        Some(name) => format!("{name}\n{email_canonical}\n\n"),
        None => format!("{email_canonical}\n\n"),
    }
}

#[derive(sqlx::FromRow)]
struct Names {
    name: Option<String>,
    name_folded: Option<String>,
    email_canonical: String,
}

#[derive(sqlx::FromRow)]
struct Line {
    number: i64,
    text: String,
}

/// Makes an account findable by the name and the address that its row has now. To be called in every transaction
/// that writes one of them.
pub(crate) async fn refresh(tx: &mut Tx, id: UserId) -> Result<()> {
    // Written before it is read, so that nobody gives the account another name in between.
    let row: Option<Names> = fetch_optional!(
        tx,
        "UPDATE users SET searchable = $1 WHERE id = $2 RETURNING name, name_folded, email_canonical",
        true,
        id
    )?;
    let Some(Names { name, name_folded, email_canonical }) = row else { return Ok(()) };
    let folded = name.as_deref().map(fold);
    if folded != name_folded {
        execute!(tx, "UPDATE users SET name_folded = $1 WHERE id = $2", folded.as_deref(), id)?;
    }
    let text = text_of(folded.as_deref(), &email_canonical);
    let line: Option<Line> = fetch_optional!(tx, "SELECT number, text FROM user_texts WHERE user_id = $1", id)?;
    match line {
        Some(line) if line.text == text => Ok(()),
        Some(line) => replace(tx, &line, &text).await,
        None => insert_line(tx, id, &text).await,
    }
}

/// Makes a new account findable, whose row was written with this folded name and as `searchable`.
pub(crate) async fn insert(tx: &mut Tx, id: UserId, name_folded: Option<&str>, email_canonical: &str) -> Result<()> {
    insert_line(tx, id, &text_of(name_folded, email_canonical)).await
}

/// SQLite's index is told by hand: a trigger may not write to it while the schema is not trusted.
fn has_index(tx: &mut Tx) -> bool {
    matches!(tx.conn(), Conn::Sqlite(_))
}

async fn insert_line(tx: &mut Tx, id: UserId, text: &str) -> Result<()> {
    execute!(tx, "INSERT INTO user_texts (user_id, text) VALUES ($1, $2)", id, text)?;
    if has_index(tx) {
        execute!(tx, "INSERT INTO user_text_index (rowid, text) VALUES (last_insert_rowid(), $1)", text)?;
    }
    Ok(())
}

async fn replace(tx: &mut Tx, line: &Line, text: &str) -> Result<()> {
    execute!(tx, "UPDATE user_texts SET text = $1 WHERE number = $2", text, line.number)?;
    if has_index(tx) {
        // The index keeps no text: it has to be told what it forgets.
        execute!(
            tx,
            "INSERT INTO user_text_index (user_text_index, rowid, text) VALUES ('delete', $1, $2)",
            line.number,
            line.text.as_str()
        )?;
        execute!(tx, "INSERT INTO user_text_index (rowid, text) VALUES ($1, $2)", line.number, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_the_first_of_three() {
        assert_eq!(text_of(Some("ann"), "a@b.c"), "ann\na@b.c\n\n");
        assert_eq!(text_of(None, "a@b.c"), "a@b.c\n\n");
    }
}
