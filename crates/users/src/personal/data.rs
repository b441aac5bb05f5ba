//! Reading and writing what of a person is kept encrypted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;
use std::fmt;

use kernel::secret::Unsealable;
use kernel::{Problem, Timestamp, UserId};
use serde_json::Value;
use storage::{Connection, Tx};

use super::record::{self, Row, Stored};
use super::schema::{ADDRESS, PHONE_NUMBER, searched_as};
use super::vault::{PersonalKey, WrappedKey};
use super::{Address, AttributeValue, Party, PhoneNumber};
use crate::{Account, Change, Users};

/// What of a person is kept encrypted, open, as far as whoever asked may see it.
#[derive(Clone, Default, PartialEq)]
pub struct PersonalData {
    /// Their telephone number.
    pub phone_number: Option<PhoneNumber>,
    /// Their postal address.
    pub address: Option<Address>,
    /// The attributes of the configuration.
    pub attributes: BTreeMap<String, Value>,
}

impl fmt::Debug for PersonalData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonalData(…)")
    }
}

/// What to change of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonalChange {
    /// The telephone number.
    pub phone_number: Change<PhoneNumber>,
    /// The postal address.
    pub address: Change<Address>,
    /// The attributes that are named; the others stay.
    pub attributes: BTreeMap<String, Change<AttributeValue>>,
}

/// Personal data could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PersonalDataError {
    /// What is stored does not open.
    #[error(transparent)]
    Unsealable(#[from] Unsealable),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<PersonalDataError> for Problem {
    /// Logs the cause, which is for operators.
    fn from(error: PersonalDataError) -> Self {
        match error {
            PersonalDataError::Unsealable(cause) => {
                tracing::error!(%cause, "personal data cannot be read");
                Self::internal()
            }
            PersonalDataError::Storage(error) => error.into(),
        }
    }
}

/// What `reader` may see of an account's personal data.
pub(crate) async fn read_for(
    users: &Users,
    on: &mut impl Connection,
    account: &Account,
    reader: Party,
) -> Result<PersonalData, PersonalDataError> {
    if !account.has_attributes {
        return Ok(PersonalData::default());
    }
    let key = open_key(users, on, account.id).await?;
    let rows = record::attributes(on, account.id).await?;
    Ok(opened(users, key.as_ref(), rows, reader)?)
}

/// The same for many accounts, at most a page of them: two questions, however many they are. Who is not in the
/// answer has none.
pub(crate) async fn read_many(
    users: &Users,
    on: &mut impl Connection,
    accounts: &[Account],
    reader: Party,
) -> Result<BTreeMap<UserId, PersonalData>, PersonalDataError> {
    let people: Vec<UserId> =
        accounts.iter().filter(|account| account.has_attributes).map(|account| account.id).collect();
    if people.is_empty() {
        return Ok(BTreeMap::new());
    }
    let keys = record::keys_of(on, &people).await?;
    let mut all = BTreeMap::new();
    for (user, rows) in record::attributes_of(on, &people).await? {
        let key = keys.get(&user).map(|stored| users.vault.open_key(user, stored)).transpose()?;
        all.insert(user, opened(users, key.as_ref(), rows, reader)?);
    }
    Ok(all)
}

/// What stands in these rows, as far as `reader` may see it.
fn opened(users: &Users, key: Option<&PersonalKey>, rows: Vec<Row>, reader: Party) -> Result<PersonalData, Unsealable> {
    let mut data = PersonalData::default();
    for row in rows {
        let may_see = users.attributes.get(&row.name).is_some_and(|spec| spec.read.contains(&reader));
        match row.name.as_str() {
            PHONE_NUMBER => data.phone_number = open(key, &row)?.map(PhoneNumber::from_stored),
            ADDRESS => data.address = open(key, &row)?.map(Address::from_stored),
            // An attribute that is not configured any more is kept and shown to nobody.
            _ if !may_see => {}
            _ => {
                if let Some(value) = open(key, &row)?.and_then(|text| serde_json::from_str(&text).ok()) {
                    data.attributes.insert(row.name, value);
                }
            }
        }
    }
    Ok(data)
}

async fn open_key(
    users: &Users,
    on: &mut impl Connection,
    user: UserId,
) -> Result<Option<PersonalKey>, PersonalDataError> {
    let stored = record::key(on, user).await?;
    Ok(stored.map(|stored| users.vault.open_key(user, &stored)).transpose()?)
}

pub(super) fn open(key: Option<&PersonalKey>, row: &Row) -> Result<Option<String>, Unsealable> {
    match (&row.sealed, key) {
        (Some(sealed), Some(key)) => key.open(&row.name, sealed).map(Some),
        (Some(_), None) => Err(Unsealable),
        (None, _) => Ok(row.value.clone()),
    }
}

/// The personal data of an account that is new, ready to be written: its key, and what is sealed with it.
pub(crate) struct Sealed {
    pub(crate) key: WrappedKey,
    pub(crate) attributes: Vec<(String, Stored)>,
}

/// Seals what an account that is not there yet will have. Nothing is written.
pub(crate) fn seal_new(users: &Users, user: UserId, change: &PersonalChange) -> Result<Option<Sealed>, Unsealable> {
    let wanted: Vec<Wanted> = wanted(users, change).into_iter().filter(|wanted| wanted.value.is_some()).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let (key, wrapped) = users.vault.make_key(user)?;
    let mut attributes = Vec::with_capacity(wanted.len());
    for Wanted { name, value, personal } in wanted {
        let Some((text, searched)) = value else { continue };
        let lookup = searched.map(|searched| users.vault.lookup(&name, &searched));
        let stored = if personal {
            Stored { value: None, sealed: Some(key.seal(&name, &text)?), lookup }
        } else {
            Stored { value: Some(text), sealed: None, lookup }
        };
        attributes.push((name, stored));
    }
    Ok(Some(Sealed { key: wrapped, attributes }))
}

/// One attribute that is to be another one.
struct Wanted {
    name: String,
    /// As it is stored, and as it is searched by; nothing to remove it.
    value: Option<(String, Option<String>)>,
    personal: bool,
}

/// Changes it, in the caller's transaction, which has locked the account's row. Answers what was changed, by
/// name; what is already so is not touched.
pub(crate) async fn apply(
    users: &Users,
    tx: &mut Tx,
    user: UserId,
    change: &PersonalChange,
    now: Timestamp,
) -> Result<Vec<String>, PersonalDataError> {
    let wanted = wanted(users, change);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut key = open_key(users, tx, user).await?;
    let before = record::attributes(tx, user).await?;
    let mut changed = Vec::new();
    for Wanted { name, value, personal } in wanted {
        let row = before.iter().find(|row| row.name == name);
        let Some((text, searched)) = value else {
            if row.is_some() {
                record::remove(tx, user, &name).await?;
                changed.push(name);
            }
            continue;
        };
        // What is stored and does not open is replaced: that is the way out for whoever owns it.
        let same = |row: &Row| {
            row.sealed.is_some() == personal && open(key.as_ref(), row).is_ok_and(|now| now.as_deref() == Some(&text))
        };
        if row.is_some_and(same) {
            continue;
        }
        // Whoever has an attribute has a key, personal or not: rewrapping finds people by their keys.
        let key = match &mut key {
            Some(key) => key,
            none @ None => {
                let (made, wrapped) = users.vault.make_key(user)?;
                record::insert_key(tx, user, &wrapped, now).await?;
                none.insert(made)
            }
        };
        let lookup = searched.map(|searched| users.vault.lookup(&name, &searched));
        let stored = if personal {
            Stored { value: None, sealed: Some(key.seal(&name, &text)?), lookup }
        } else {
            Stored { value: Some(text), sealed: None, lookup }
        };
        record::put(tx, user, &name, &stored).await?;
        changed.push(name);
    }
    Ok(changed)
}

fn wanted(users: &Users, change: &PersonalChange) -> Vec<Wanted> {
    let mut all = Vec::new();
    if change.phone_number != Change::Keep {
        let value =
            change.phone_number.value().map(|number| (number.as_str().to_owned(), Some(number.as_str().to_owned())));
        all.push(Wanted { name: PHONE_NUMBER.to_owned(), value, personal: true });
    }
    if change.address != Change::Keep {
        let value = change.address.value().map(|address| (address.as_str().to_owned(), None));
        all.push(Wanted { name: ADDRESS.to_owned(), value, personal: true });
    }
    for (name, change) in &change.attributes {
        let Some(spec) = users.attributes.get(name).filter(|_| *change != Change::Keep) else { continue };
        let value = change
            .value()
            .map(|value| (value.as_json().to_string(), spec.searchable.then(|| searched_as(value.as_json()))));
        all.push(Wanted { name: name.clone(), value, personal: spec.personal });
    }
    all
}

/// How many master keys are looked with, at most.
const MAX_TAGS: usize = 16;

/// An exact value that accounts can be found by. It holds keyed hashes, not the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Lookup {
    name: String,
    tags: Vec<Vec<u8>>,
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lookup({})", self.name)
    }
}

/// Accounts cannot be found by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsearchableAttribute {
    /// There is no such attribute, or it is not marked `searchable`.
    #[error("Accounts cannot be searched by this attribute.")]
    Name,
    /// It can have no such value.
    #[error("The attribute cannot have this value.")]
    Value,
}

impl Lookup {
    /// Of this value of the attribute, as somebody typed both. `phone_number` is one, in any spelling.
    pub fn new(users: &Users, name: &str, typed: &str) -> Result<Self, UnsearchableAttribute> {
        Self::check_name(users, name)?;
        let searched = if name == PHONE_NUMBER {
            let number = PhoneNumber::parse(typed).map_err(|_| UnsearchableAttribute::Value)?;
            number.as_str().to_owned()
        } else {
            super::schema::normalise(typed)
        };
        if searched.is_empty() {
            return Err(UnsearchableAttribute::Value);
        }
        Ok(Self { name: name.to_owned(), tags: users.vault.lookups(name, &searched) })
    }

    fn check_name(users: &Users, name: &str) -> Result<(), UnsearchableAttribute> {
        let spec = || users.attributes.get(name);
        let searchable = || spec().is_some_and(|spec| spec.searchable && spec.read.contains(&Party::Officers));
        if name == PHONE_NUMBER || searchable() { Ok(()) } else { Err(UnsearchableAttribute::Name) }
    }

    /// Reads what [`Lookup::to_text`] wrote.
    pub(crate) fn from_text(users: &Users, name: &str, text: &str) -> Result<Self, UnsearchableAttribute> {
        Self::check_name(users, name)?;
        let tags: Result<Vec<Vec<u8>>, _> =
            text.split('.').take(MAX_TAGS).map(|tag| URL_SAFE_NO_PAD.decode(tag)).collect();
        Ok(Self { name: name.to_owned(), tags: tags.map_err(|_| UnsearchableAttribute::Value)? })
    }

    /// As it can be written down: without the value, which nobody can tell from it.
    pub(crate) fn to_text(&self) -> String {
        self.tags.iter().map(|tag| URL_SAFE_NO_PAD.encode(tag)).collect::<Vec<_>>().join(".")
    }

    /// The attribute's name, as it is in the column.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the column `lookup` may hold: one for each master key, the current one's first.
    pub fn tags(&self) -> &[Vec<u8>] {
        &self.tags
    }
}

/// The accounts with exactly this value, at most `limit` of them, by id.
pub async fn find_by_lookup(on: &mut impl Connection, lookup: &Lookup, limit: u32) -> storage::Result<Vec<UserId>> {
    let mut found = Vec::new();
    for tag in &lookup.tags {
        found.extend(record::with_lookup(on, &lookup.name, tag, i64::from(limit)).await?);
    }
    found.sort_unstable();
    found.dedup();
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}
