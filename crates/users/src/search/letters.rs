//! How each database's index is asked for a text. PostgreSQL takes the text apart by itself. SQLite is told which
//! three letters in a row to look for: those of the text that the fewest lines have.

use std::collections::BTreeSet;

use storage::{Conn, Connection, Result};

use super::SearchText;
use super::few::{FEW, Found};
use super::statement::{Statement, Value};

/// What an index is asked for. All that are wanted are among what it finds; others may be as well.
pub(super) enum Letters {
    /// PostgreSQL: a pattern of LIKE.
    Like(String),
    /// SQLite: an expression of FTS5 (<https://www.sqlite.org/fts5.html#full_text_query_syntax>), and about how many
    /// lines have the rarest letters in it.
    All { expression: String, lines: i64 },
    /// SQLite: three letters between these, for one or two that are looked for.
    First { from: String, to: String },
}

impl Letters {
    /// Whether it is known already that few accounts have them.
    pub(super) fn are_rare(&self) -> bool {
        match self {
            Self::All { lines, .. } => *lines <= FEW,
            Self::Like(_) | Self::First { .. } => false,
        }
    }
}

/// How many times three letters are asked about.
const MAX_ASKED: usize = 24;
/// How many of them are looked for together.
const TOGETHER: i64 = 3;
/// Three letters that more lines have are not looked for: reading where they are would take too long.
const MOST_LINES: i64 = 60_000;
/// The last character that there is.
const LAST: char = '\u{10ffff}';

/// What to ask the index for; nothing if it cannot help.
pub(super) async fn of(on: &mut impl Connection, text: &SearchText) -> Result<Option<Letters>> {
    match on.conn() {
        Conn::Sqlite(_) => of_sqlite(on, text.folded()).await,
        Conn::Postgres(_) => of_postgres(on, text).await,
    }
}

/// An index of `pg_trgm` has the letters of words. Which characters are letters is the database's locale's to say.
async fn of_postgres(on: &mut impl Connection, text: &SearchText) -> Result<Option<Letters>> {
    let words = text.folded().split(|character: char| !character.is_alphanumeric());
    let long_enough = words.filter(|word| word.chars().count() >= 3);
    let Some(word) = long_enough.max_by_key(|word| word.is_ascii()) else { return Ok(None) };
    if !word.is_ascii() {
        let statement = Statement::new("SELECT").and("CAST(cardinality(show_trgm(");
        let statement = statement.value(Value::Text(word.to_owned())).and(")) AS BIGINT) AS found LIMIT 1");
        if statement.fetch::<Found>(on).await?.first().is_none_or(|row| row.found == 0) {
            return Ok(None);
        }
    }
    Ok(Some(Letters::Like(text.pattern())))
}

#[derive(sqlx::FromRow)]
struct Asked {
    letters: String,
    lines: i64,
}

async fn of_sqlite(on: &mut impl Connection, folded: &str) -> Result<Option<Letters>> {
    let asked = threes(folded);
    if asked.is_empty() {
        return Ok(Some(Letters::First { from: folded.to_owned(), to: format!("{folded}{LAST}") }));
    }
    // Where the two hundredth line with these letters is, among all lines, tells about how many have them.
    let statement = Statement::new("SELECT")
        .and("CAST(value AS TEXT) AS letters, (SELECT CASE WHEN COUNT(*) < 200 THEN COUNT(*)")
        .and("ELSE 200 * (SELECT MAX(number) FROM user_texts) / MAX(line) END FROM")
        .and("(SELECT rowid AS line FROM user_text_index WHERE user_text_index MATCH json_each.value LIMIT 200)) AS lines")
        .and("FROM json_each(")
        .value(Value::Text(serde_json::to_string(&asked).unwrap_or_default()))
        .and(") ORDER BY lines LIMIT")
        .value(Value::Number(TOGETHER));
    let rarest = statement.fetch::<Asked>(on).await?;
    let lines = rarest.first().map_or(0, |asked| asked.lines);
    let sought: Vec<&str> =
        rarest.iter().filter(|asked| asked.lines <= MOST_LINES).map(|asked| asked.letters.as_str()).collect();
    Ok((!sought.is_empty()).then(|| Letters::All { expression: sought.join(" AND "), lines }))
}

/// All three letters in a row of a text, as FTS5 wants to be asked for them; some of them if there are many.
fn threes(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let all: BTreeSet<String> = characters.windows(3).map(|three| three.iter().collect()).collect();
    let step = all.len().div_ceil(MAX_ASKED).max(1);
    all.into_iter().step_by(step).map(|three| format!("\"{}\"", three.replace('"', "\"\""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_quoted_and_not_too_many() {
        assert_eq!(threes("ab\"c"), ["\"ab\"\"\"", "\"b\"\"c\""]);
        assert!(threes("ab").is_empty());
        let long: String = ('a'..='z').chain('0'..='9').collect();
        assert!((12..=MAX_ASKED).contains(&threes(&long).len()));
    }
}
