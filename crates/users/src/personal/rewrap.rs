//! Wrapping people's keys with the master key of today, so that an old one can be thrown away. It goes on while
//! everything else does, and begins where it stopped: what is done is known by the key that wrapped it.

use kernel::UserId;

use super::record;
use super::schema::{PHONE_NUMBER, searched_as};
use super::{PersonalDataError, data};
use crate::{Users, account};

/// How many people one round takes.
const BATCH: i64 = 100;

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// How many keys it wrapped.
    pub done: u64,
    /// How many did not open: they were wrapped by a key that is not given.
    pub failed: u64,
    /// After whom the next round begins; nothing if this was the last.
    pub next: Option<UserId>,
}

/// Wraps the keys of the people behind `after`, some of them, and makes what they are found by anew.
pub async fn rewrap(users: &Users, after: Option<UserId>) -> Result<Rewrapped, PersonalDataError> {
    let current = users.vault.current();
    let due = record::keys_not_wrapped_by(&mut users.db.read().await?, &current, after, BATCH).await?;
    let mut outcome = Rewrapped::default();
    if due.len() == usize::try_from(BATCH).unwrap_or(usize::MAX) {
        outcome.next = due.last().copied();
    }
    for user in due {
        match rewrap_one(users, user).await {
            Ok(()) => outcome.done += 1,
            Err(PersonalDataError::Unsealable(_)) => outcome.failed += 1,
            Err(error @ PersonalDataError::Storage(_)) => return Err(error),
        }
    }
    Ok(outcome)
}

async fn rewrap_one(users: &Users, user: UserId) -> Result<(), PersonalDataError> {
    let mut tx = users.db.begin().await?;
    account::lock(&mut tx, user).await?;
    // Erased in between: then there is nothing to wrap.
    let Some(stored) = record::key(&mut tx, user).await? else { return Ok(()) };
    let key = users.vault.open_key(user, &stored)?;
    record::replace_key(&mut tx, user, &users.vault.rewrap_key(user, &stored)?).await?;
    for row in record::attributes(&mut tx, user).await? {
        let searchable =
            row.name == PHONE_NUMBER || users.attributes.get(&row.name).is_some_and(|spec| spec.searchable);
        if !searchable {
            continue;
        }
        let Some(text) = data::open(Some(&key), &row)? else { continue };
        let searched = match serde_json::from_str(&text) {
            Ok(value) if row.name != PHONE_NUMBER => searched_as(&value),
            _ => text,
        };
        record::set_lookup(&mut tx, user, &row.name, &users.vault.lookup(&row.name, &searched)).await?;
    }
    tx.commit().await?;
    Ok(())
}
