//! What an event says of a person beside ids and facts: sealed with that person's own key. The ledger keeps events for
//! ever; without the key, which goes when the person is erased, nobody reads these again.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::UserId;
use kernel::secret::Unsealable;
use storage::{Connection, Tx};

use super::vault::PersonalKey;
use super::{PersonalDataError, record};
use crate::{Users, account};

/// What opens what was said of one person.
pub struct SaidKey(PersonalKey);

impl SaidKey {
    /// Reads what was sealed for this person and the fact `name`.
    pub fn open(&self, name: &str, sealed: &str) -> Result<String, Unsealable> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Unsealable)?;
        self.0.open_said(name, &sealed)
    }
}

impl Users {
    /// Seals a text about this person for an event, as the fact `name`. The caller's transaction has locked the
    /// account's row. Nothing is sealed for somebody who was erased: that would make them a key again.
    pub async fn seal_said(
        &self,
        tx: &mut Tx,
        user: UserId,
        name: &str,
        text: &str,
    ) -> Result<String, PersonalDataError> {
        let key = if let Some(stored) = record::key(tx, user).await? {
            self.vault.open_key(user, &stored)?
        } else {
            if account::find(tx, user).await?.is_none_or(|account| account.erased_at.is_some()) {
                return Err(Unsealable.into());
            }
            let (made, wrapped) = self.vault.make_key(user)?;
            record::insert_key(tx, user, &wrapped, self.clock.now()).await?;
            made
        };
        Ok(URL_SAFE_NO_PAD.encode(key.seal_said(name, text)?))
    }

    /// Reads what was sealed for this person and this fact; nothing once their key is gone.
    pub async fn open_said(
        &self,
        on: &mut impl Connection,
        user: UserId,
        name: &str,
        sealed: &str,
    ) -> Result<Option<String>, PersonalDataError> {
        let Some(stored) = record::key(on, user).await? else { return Ok(None) };
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Unsealable)?;
        Ok(Some(self.vault.open_key(user, &stored)?.open_said(name, &sealed)?))
    }

    /// Seals the same text for each of these people, as the fact `name`, with their own keys. The caller's transaction has
    /// locked the rows of their accounts. Who was erased is not in the answer, nor who has a key that does not open.
    pub async fn seal_said_for(
        &self,
        tx: &mut Tx,
        people: &[UserId],
        name: &str,
        text: &str,
    ) -> Result<BTreeMap<UserId, String>, PersonalDataError> {
        let mut keys = record::keys_of(tx, people).await?;
        let without: Vec<UserId> = people.iter().filter(|user| !keys.contains_key(user)).copied().collect();
        let mut sealed = BTreeMap::new();
        for account in account::find_many(tx, &without).await? {
            if account.erased_at.is_none() {
                let (made, wrapped) = self.vault.make_key(account.id)?;
                record::insert_key(tx, account.id, &wrapped, self.clock.now()).await?;
                sealed.insert(account.id, URL_SAFE_NO_PAD.encode(made.seal_said(name, text)?));
            }
        }
        for user in people {
            let Some(stored) = keys.remove(user) else { continue };
            match self.vault.open_key(*user, &stored) {
                Ok(key) => {
                    sealed.insert(*user, URL_SAFE_NO_PAD.encode(key.seal_said(name, text)?));
                }
                // Theirs is lost; that is no reason to keep it from the others.
                Err(error) => tracing::error!(account = %user, %error, "a person's key does not open"),
            }
        }
        Ok(sealed)
    }

    /// What opens what was said of these people, of those who have a key. One that does not open is as good as gone.
    pub async fn said_keys(
        &self,
        on: &mut impl Connection,
        people: &[UserId],
    ) -> storage::Result<BTreeMap<UserId, SaidKey>> {
        let open = |(user, stored)| match self.vault.open_key(user, &stored) {
            Ok(key) => Some((user, SaidKey(key))),
            Err(error) => {
                tracing::error!(account = %user, %error, "a person's key does not open");
                None
            }
        };
        Ok(record::keys_of(on, people).await?.into_iter().filter_map(open).collect())
    }
}
