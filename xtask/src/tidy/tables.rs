//! A table is written by one crate only: the one whose migration makes it.

use std::collections::BTreeMap;

use super::SourceFile;
use crate::source;

/// Where a table is written by a crate that does not own it, or that nobody made.
pub(super) fn complaints(sources: &[SourceFile], migrations: &[(String, String)]) -> Vec<String> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut complaints = Vec::new();
    // A crate may also make a table from its source, before there are migrations to keep in one.
    let literals: Vec<(&SourceFile, source::Literal)> =
        sources.iter().flat_map(|file| source::literals(&file.text).into_iter().map(move |one| (file, one))).collect();
    let in_source = literals.iter().map(|(file, literal)| (&file.owner, &literal.text));
    for (owner, sql) in migrations.iter().map(|(owner, sql)| (owner, sql)).chain(in_source) {
        for table in made(sql) {
            let first = owners.entry(table.clone()).or_insert_with(|| owner.clone());
            if first != owner {
                complaints.push(format!("the table `{table}` is made by `{first}` and by `{owner}`"));
            }
        }
    }
    for (file, literal) in &literals {
        for table in written(&literal.text) {
            let place = format!("{}:{}", file.path, literal.line);
            match owners.get(&table) {
                Some(owner) if *owner == file.owner => {}
                Some(owner) => complaints.push(format!("{place} writes the table `{table}`, which is `{owner}`'s")),
                None => complaints.push(format!("{place} writes the table `{table}`, which no migration makes")),
            }
        }
    }
    complaints
}

/// The tables that a text of SQL makes.
fn made(sql: &str) -> Vec<String> {
    let words = words(sql);
    let begins = |at: usize| {
        let kinds: [&[&str]; 2] = [&["CREATE", "TABLE"], &["CREATE", "VIRTUAL", "TABLE"]];
        kinds.into_iter().find(|kind| follows(&words[at..], kind)).map(|kind| at + kind.len())
    };
    (0..words.len())
        .filter_map(begins)
        .filter_map(|at| {
            let skip = if follows(&words[at..], &["IF", "NOT", "EXISTS"]) { 3 } else { 0 };
            words.get(at + skip).map(|name| (*name).to_owned())
        })
        .collect()
}

/// The tables that a statement writes. A sentence in a message has no `SET` and no `INTO` in capitals.
fn written(sql: &str) -> Vec<String> {
    let words = words(sql);
    (0..words.len())
        .filter_map(|at| {
            let rest = &words[at..];
            if follows(rest, &["INSERT", "INTO"]) || follows(rest, &["DELETE", "FROM"]) {
                rest.get(2)
            } else if follows(rest, &["UPDATE"]) && rest.iter().take(5).any(|word| *word == "SET") {
                rest.get(1).filter(|next| **next != "SET")
            } else {
                None
            }
        })
        .map(|name| (*name).to_owned())
        .collect()
}

fn words(sql: &str) -> Vec<&str> {
    sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect()
}

/// SQL keywords are written in capitals here; that is what tells them from prose.
fn follows(words: &[&str], keywords: &[&str]) -> bool {
    words.len() > keywords.len() && words.iter().zip(keywords).all(|(word, keyword)| word == keyword)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(owner: &str, text: &str) -> SourceFile {
        SourceFile { owner: owner.into(), path: format!("crates/{owner}/src/a.rs"), text: text.into() }
    }

    #[test]
    fn tables_are_found_in_every_kind_of_write() {
        assert_eq!(written("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO UPDATE SET id = $1"), ["users"]);
        assert_eq!(
            written("WITH gone AS (DELETE FROM sessions WHERE id = $1) UPDATE users AS u SET a = 1"),
            ["sessions", "users"]
        );
        assert!(written("SELECT id FROM users FOR UPDATE").is_empty());
        assert!(written("Update the settings and insert into the box").is_empty());
    }

    #[test]
    fn made_tables_are_found() {
        assert_eq!(
            made(
                "CREATE TABLE users (id @uuid); CREATE TABLE IF NOT EXISTS other(id TEXT);
                 CREATE VIRTUAL TABLE words USING fts5 (text)"
            ),
            ["users", "other", "words"]
        );
    }

    #[test]
    fn a_table_has_one_writer() {
        let migrations = [("users".to_owned(), "CREATE TABLE users (id @uuid)".to_owned())];
        let own = file("users", "execute!(tx, \"UPDATE users SET epoch = epoch + 1\")");
        let stranger = file("auth", "execute!(tx, \"UPDATE users SET epoch = epoch + 1\")");
        let ghost = file("auth", "execute!(tx, \"DELETE FROM ghosts WHERE id = $1\")");
        assert!(complaints(&[own], &migrations).is_empty());
        assert_eq!(complaints(&[stranger], &migrations).len(), 1);
        assert_eq!(complaints(&[ghost], &migrations).len(), 1);
    }
}
