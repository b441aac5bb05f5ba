//! The form of an account, as somebody who looks after it fills it in: for a new one, and for a change.

use users::{Account, AccountChange, Bio, Change, DisplayName, EmailAddress, Locale, PersonalChange, PersonalData};
use users::{PhoneNumber, ProfileChange, TimeZoneName};

use crate::form::Fields;
use crate::shell::Mistakes;

/// What stands in the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
}

impl Draft {
    /// As the account is.
    pub fn of(account: &Account, personal: &PersonalData) -> Self {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Self {
            email: account.email.as_str().to_owned(),
            name: text(account.name.as_ref().map(DisplayName::as_str)),
            locale: text(account.locale.as_ref().map(Locale::as_str)),
            timezone: text(account.timezone.as_ref().map(TimeZoneName::as_str)),
            bio: text(account.bio.as_ref().map(Bio::as_str)),
            phone_number: text(personal.phone_number.as_ref().map(PhoneNumber::as_str)),
        }
    }

    /// As it was typed.
    pub fn typed(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).trim().to_owned();
        Self {
            email: text("email"),
            name: text("name"),
            locale: text("locale"),
            timezone: text("timezone"),
            // A browser sends the end of a line as two characters; kept is one.
            bio: text("bio").replace("\r\n", "\n"),
            phone_number: text("phone_number"),
        }
    }

    /// What it means; what is wrong with it, if something is.
    pub fn read(&self) -> Result<(EmailAddress, ProfileChange), Mistakes> {
        let mut mistakes = Mistakes::default();
        let email = keep(&mut mistakes, "email", EmailAddress::parse(&self.email));
        let name = optional(&self.name, |text| keep(&mut mistakes, "name", DisplayName::parse(text)));
        let locale = optional(&self.locale, |text| {
            let hint = "Use a language tag such as en, de-AT or pt-BR.";
            keep(&mut mistakes, "locale", Locale::parse(text).ok_or(hint))
        });
        let timezone = optional(&self.timezone, |text| {
            let hint = "Use the name of a time zone, such as Europe/Vienna.";
            keep(&mut mistakes, "timezone", TimeZoneName::parse(text).ok_or(hint))
        });
        let bio = optional(&self.bio, |text| keep(&mut mistakes, "bio", Bio::parse(text)).flatten());
        let phone_number =
            optional(&self.phone_number, |text| keep(&mut mistakes, "phone_number", PhoneNumber::parse(text)));
        match email {
            Some(email) if !mistakes.is_failed() => {
                let personal = PersonalChange { phone_number, ..PersonalChange::default() };
                Ok((email, ProfileChange { name, locale, bio, timezone, personal, ..ProfileChange::default() }))
            }
            _ => Err(mistakes),
        }
    }

    /// What it changes of this account: a field that is as it was is left alone.
    pub fn change(&self, before: &Self) -> Result<AccountChange, Mistakes> {
        let (email, mut profile) = self.read()?;
        if self.phone_number == before.phone_number {
            profile.personal = PersonalChange::default();
        }
        let email = (self.email != before.email).then_some(email);
        Ok(AccountChange { email, email_verified: None, profile })
    }
}

/// A field that may be empty.
fn optional<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Change<T> {
    if text.is_empty() { Change::Clear } else { read(text).into() }
}

fn keep<T, E: std::fmt::Display>(mistakes: &mut Mistakes, field: &'static str, read: Result<T, E>) -> Option<T> {
    read.map_err(|wrong| mistakes.add(field, "invalid", wrong.to_string())).ok()
}
