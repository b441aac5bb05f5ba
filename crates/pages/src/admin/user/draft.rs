//! The form of an account, as somebody who looks after it fills it in: for a new one, and for a change.

use users::{Account, AccountChange, Address, Bio, Change, DisplayName, EmailAddress, Locale, Party, PersonalChange};
use users::{PersonalData, PhoneNumber, Preferences, ProfileChange, TimeZoneName, Users};

use crate::attributes::Attributes;
use crate::form::Fields;
use crate::shell::{Mistakes, settings_text};

/// What stands in the fields.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The address.
    pub email: String,
    /// The name to show.
    pub name: String,
    /// The language to read.
    pub locale: String,
    /// Where their clock is.
    pub timezone: String,
    /// What they write about themselves.
    pub bio: String,
    /// The telephone number.
    pub phone_number: String,
    /// The postal address.
    pub address: String,
    /// What applications keep for them, as JSON.
    pub preferences: String,
    /// What the configuration adds.
    pub attributes: Attributes,
}

impl Draft {
    /// Of an account that is not there yet.
    pub fn empty(users: &Users) -> Self {
        let attributes = Attributes::current(&users.attributes, &PersonalData::default(), Party::Officers);
        Self { attributes, ..Self::default() }
    }

    /// As the account is.
    pub fn of(users: &Users, account: &Account, personal: &PersonalData) -> Self {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Self {
            email: account.email.as_str().to_owned(),
            name: text(account.name.as_ref().map(DisplayName::as_str)),
            locale: text(account.locale.as_ref().map(Locale::as_str)),
            timezone: text(account.timezone.as_ref().map(TimeZoneName::as_str)),
            bio: text(account.bio.as_ref().map(Bio::as_str)),
            phone_number: text(personal.phone_number.as_ref().map(PhoneNumber::as_str)),
            address: text(personal.address.as_ref().map(Address::as_str)),
            preferences: settings_text(&account.preferences),
            attributes: Attributes::current(&users.attributes, personal, Party::Officers),
        }
    }

    /// The same as it was typed. What the form does not have stays as it is.
    pub fn typed(&self, fields: &Fields) -> Self {
        // A browser sends the end of a line as two characters; kept is one.
        let text = |name: &str, now: &str| {
            if fields.is_ticked(name) { fields.text(name).trim().replace("\r\n", "\n") } else { now.to_owned() }
        };
        Self {
            email: text("email", &self.email),
            name: text("name", &self.name),
            locale: text("locale", &self.locale),
            timezone: text("timezone", &self.timezone),
            bio: text("bio", &self.bio),
            phone_number: text("phone_number", &self.phone_number),
            address: text("address", &self.address),
            preferences: text("preferences", &self.preferences),
            attributes: self.attributes.clone().typed(fields),
        }
    }

    /// What it changes of `before`, beside the address; what is wrong with it, if something is. A field that is as
    /// it was is left alone, whatever stands in it.
    pub fn read(&self, users: &Users, before: &Self) -> Result<(EmailAddress, ProfileChange), Mistakes> {
        let mut mistakes = Mistakes::default();
        let all = &mut mistakes;
        let email = keep(all, "email", EmailAddress::parse(&self.email));
        let profile = ProfileChange {
            name: changed((&self.name, &before.name), |text| keep(all, "name", DisplayName::parse(text))),
            locale: changed((&self.locale, &before.locale), |text| {
                let hint = "Use a language tag such as en, de-AT or pt-BR.";
                keep(all, "locale", Locale::parse(text).ok_or(hint))
            }),
            timezone: changed((&self.timezone, &before.timezone), |text| {
                let hint = "Use the name of a time zone, such as Europe/Vienna.";
                keep(all, "timezone", TimeZoneName::parse(text).ok_or(hint))
            }),
            bio: changed((&self.bio, &before.bio), |text| keep(all, "bio", Bio::parse(text)).flatten()),
            preferences: changed((&self.preferences, &before.preferences), |text| {
                keep(all, "preferences", Preferences::parse_text(text)).flatten()
            }),
            personal: PersonalChange {
                phone_number: changed((&self.phone_number, &before.phone_number), |text| {
                    keep(all, "phone_number", PhoneNumber::parse(text))
                }),
                address: changed((&self.address, &before.address), |text| {
                    keep(all, "address", Address::parse(text)).flatten()
                }),
                attributes: self
                    .attributes
                    .change(&before.attributes, &users.attributes, Party::Officers)
                    .map_err(|wrong| all.extend(wrong))
                    .unwrap_or_default(),
            },
            avatar: Change::Keep,
        };
        match email {
            Some(email) if !mistakes.is_failed() => Ok((email, profile)),
            _ => Err(mistakes),
        }
    }

    /// What it changes of this account.
    pub fn change(&self, users: &Users, before: &Self) -> Result<AccountChange, Mistakes> {
        let (email, profile) = self.read(users, before)?;
        let email = (self.email != before.email).then_some(email);
        Ok(AccountChange { email, email_verified: None, profile })
    }
}

/// What is to be done with a field that may be empty, and had something else before.
fn changed<T>((text, before): (&str, &str), read: impl FnOnce(&str) -> Option<T>) -> Change<T> {
    match text {
        same if same == before => Change::Keep,
        "" => Change::Clear,
        other => read(other).into(),
    }
}

fn keep<T, E: std::fmt::Display>(mistakes: &mut Mistakes, field: &'static str, read: Result<T, E>) -> Option<T> {
    read.map_err(|wrong| mistakes.add(field, "invalid", wrong.to_string())).ok()
}
