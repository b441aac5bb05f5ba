//! The other way to a page: where few accounts are wanted, all of them by an index of what they have in common, and
//! then those put in order.

use kernel::Timestamp;
use storage::{Connection, Result};

use super::filter::is_looked_up;
use super::letters::{self, Letters};
use super::statement::{Statement, Value};
use super::{Filter, SearchText};
use crate::account::USER;
use crate::personal::Lookup;

/// How many are few: as many rows as can be read one by one and sorted in a few milliseconds.
pub(super) const FEW: i64 = 1_500;

/// What accounts can be found by without going through all of them.
enum Common<'f> {
    Lookup(&'f Lookup),
    Text(&'f SearchText),
    Role(&'f str),
    Made(Option<Timestamp>, Option<Timestamp>),
    SignedIn(Timestamp),
    Verified(bool),
}

/// A way to a few accounts among which all that are wanted are: a statement that begins by naming them.
#[derive(Clone, Debug)]
pub(super) struct Few(Statement);

#[derive(sqlx::FromRow)]
pub(super) struct Found {
    pub(super) found: i64,
}

impl Few {
    /// A way to few accounts, if one part of the filter has one.
    pub(super) async fn find(on: &mut impl Connection, filter: &Filter) -> Result<Option<Self>> {
        for common in parts(filter) {
            let Some(named) = named(on, &common).await? else { continue };
            let few = Self(named);
            let counted = few.clone().0.and("SELECT").and("COUNT(*) AS found FROM few").fetch::<Found>(on).await?;
            if counted.first().is_some_and(|row| row.found <= FEW) {
                return Ok(Some(few));
            }
        }
        Ok(None)
    }

    /// A statement over those of them that are wanted, which goes on after its first `WHERE` conditions.
    pub(super) fn select(self, words: &'static [&'static str], filter: &Filter) -> Statement {
        let statement = words.iter().fold(self.0.and("SELECT"), |statement, words| statement.and(words));
        // Joined in this order: the few first, and each of them looked up by its id.
        filter.conditions(statement.and("FROM few CROSS JOIN users WHERE users.id = few.user_id"))
    }
}

/// The parts of a filter that an index knows, the one that most often leads to few first. A status is none of them: a walk
/// goes through the accounts that have it alone.
fn parts(filter: &Filter) -> Vec<Common<'_>> {
    let mut parts: Vec<Common<'_>> = filter.lookups.iter().map(Common::Lookup).collect();
    parts.extend(filter.text.as_ref().map(Common::Text));
    // Everybody has the role `user`, so nobody is found by it.
    parts.extend(filter.role.as_deref().filter(|role| *role != USER).map(Common::Role));
    if filter.created_after.is_some() || filter.created_before.is_some() {
        parts.push(Common::Made(filter.created_after, filter.created_before));
    }
    parts.extend(filter.last_login_after.map(Common::SignedIn));
    parts.extend(filter.verified.map(Common::Verified));
    parts
}

/// The beginning of a statement in which `few` are the accounts that have this in common: one more than few, if they
/// are not few.
async fn named(on: &mut impl Connection, common: &Common<'_>) -> Result<Option<Statement>> {
    let begun = Statement::new("WITH").and("few (user_id) AS MATERIALIZED (SELECT");
    let statement = match common {
        Common::Text(text) => match letters::of(on, text).await? {
            None => return Ok(None),
            Some(letters) => named_by_letters(begun, &letters),
        },
        Common::Lookup(lookup) => is_looked_up(lookup, begun.and("user_id FROM user_attributes WHERE")),
        Common::Role(role) => begun.and("user_id FROM user_roles WHERE role =").value(Value::Text((*role).to_owned())),
        Common::Made(from, to) => {
            let statement = begun.and("id FROM users WHERE true");
            let statement = match from {
                None => statement,
                Some(from) => statement.and("AND created_at >=").value(Value::Time(*from)),
            };
            match to {
                None => statement,
                Some(to) => statement.and("AND created_at <").value(Value::Time(*to)),
            }
        }
        Common::SignedIn(from) => begun.and("id FROM users WHERE last_login_at >=").value(Value::Time(*from)),
        Common::Verified(verified) => {
            begun.and("id FROM users WHERE email_verified =").value(Value::Boolean(*verified))
        }
    };
    Ok(Some(statement.and("LIMIT").value(Value::Number(FEW + 1)).and(")")))
}

/// The accounts with these letters: by an index that says where they may be, and a look at each text there.
fn named_by_letters(begun: Statement, letters: &Letters) -> Statement {
    match letters {
        Letters::Like(pattern) => begun
            .and("user_id FROM user_texts WHERE text LIKE")
            .value(Value::Text(pattern.clone()))
            .and("ESCAPE '\\'")
            .planned_anew(),
        Letters::All(expression) => begun
            .and("user_texts.user_id FROM user_text_index CROSS JOIN user_texts")
            .and("ON user_texts.number = user_text_index.rowid WHERE user_text_index MATCH")
            .value(Value::Text(expression.clone())),
        Letters::First { from, to } => begun
            .and("DISTINCT user_texts.user_id FROM user_text_letters CROSS JOIN user_texts")
            .and("ON user_texts.number = user_text_letters.doc WHERE user_text_letters.term >=")
            .value(Value::Text(from.clone()))
            .and("AND user_text_letters.term <")
            .value(Value::Text(to.clone())),
    }
}
