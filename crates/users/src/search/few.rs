//! The other way to a page: where few accounts are wanted, all of them by an index of what they have in common, and
//! then those put in order.

use kernel::Timestamp;
use storage::{Connection, Result};

use super::Filter;
use super::filter::is_looked_up;
use super::letters::{self, Letters};
use super::statement::{Statement, Value};
use crate::account::USER;
use crate::personal::Lookup;

/// How many are few: as many rows as can be read one by one and sorted in a few milliseconds.
pub(super) const FEW: i64 = 1_500;

/// What accounts can be found by without going through all of them.
enum Common<'f> {
    Lookup(&'f Lookup),
    Text(Letters),
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
        match Self::find_at_once(on, filter).await? {
            Some(few) => Ok(Some(few)),
            None => Self::find_slowly(on, filter).await,
        }
    }

    /// The same, where it costs less to know whether they are few than to look at the first accounts of an order.
    pub(super) async fn find_at_once(on: &mut impl Connection, filter: &Filter) -> Result<Option<Self>> {
        let looked_up = filter.lookups.iter().map(Common::Lookup);
        // Everybody has the role `user`, so nobody is found by it.
        let role = filter.role.as_deref().filter(|role| *role != USER).map(Common::Role);
        for common in looked_up.chain(role) {
            if let Some(few) = Self::of(on, &common).await? {
                return Ok(Some(few));
            }
        }
        match &filter.text {
            Some(text) => match letters::of(on, text).await? {
                Some(letters) if letters.are_rare() => Self::of(on, &Common::Text(letters)).await,
                _ => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// The same, by the other parts. A status is none of them: a walk goes through the accounts that have it alone.
    pub(super) async fn find_slowly(on: &mut impl Connection, filter: &Filter) -> Result<Option<Self>> {
        let mut parts = Vec::new();
        if let Some(text) = &filter.text {
            parts.extend(letters::of(on, text).await?.map(Common::Text));
        }
        if filter.created_after.is_some() || filter.created_before.is_some() {
            parts.push(Common::Made(filter.created_after, filter.created_before));
        }
        parts.extend(filter.last_login_after.map(Common::SignedIn));
        parts.extend(filter.verified.map(Common::Verified));
        for common in parts {
            if let Some(few) = Self::of(on, &common).await? {
                return Ok(Some(few));
            }
        }
        Ok(None)
    }

    /// Those who have this in common, if they are few.
    async fn of(on: &mut impl Connection, common: &Common<'_>) -> Result<Option<Self>> {
        let few = Self(named(common));
        let counted = few.clone().0.and("SELECT").and("COUNT(*) AS found FROM few").fetch::<Found>(on).await?;
        Ok(counted.first().is_some_and(|row| row.found <= FEW).then_some(few))
    }

    /// A statement over those of them that are wanted, which goes on after its first `WHERE` conditions.
    pub(super) fn select(self, words: &'static [&'static str], filter: &Filter) -> Statement {
        let statement = words.iter().fold(self.0.and("SELECT"), |statement, words| statement.and(words));
        // Joined in this order: the few first, and each of them looked up by its id.
        filter.conditions(statement.and("FROM few CROSS JOIN users WHERE users.id = few.user_id"))
    }
}

/// The beginning of a statement in which `few` are the accounts that have this in common: one more than few, if they
/// are not few.
fn named(common: &Common<'_>) -> Statement {
    let begun = Statement::new("WITH").and("few (user_id) AS MATERIALIZED (SELECT");
    let statement = match common {
        Common::Text(letters) => named_by_letters(begun, letters),
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
    statement.and("LIMIT").value(Value::Number(FEW + 1)).and(")")
}

/// The accounts with these letters: by an index that says where they may be, and a look at each text there.
fn named_by_letters(begun: Statement, letters: &Letters) -> Statement {
    match letters {
        Letters::Like(pattern) => begun
            .and("user_id FROM user_texts WHERE text LIKE")
            .value(Value::Text(pattern.clone()))
            .and("ESCAPE '\\'")
            .planned_anew(),
        Letters::All { expression, .. } => begun
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
