//! The fields of a profile, as they come in, for `me` and for administrators.

use std::collections::BTreeMap;

use kernel::{FieldError, Problem};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{
    Address, AttributeSchema, Avatar, Bio, Change, DisplayName, Locale, Party, PersonalChange, PhoneNumber,
    Preferences, ProfileChange, TimeZoneName,
};

/// Makes the body of a call that takes the fields of a profile beside those that are named. (`serde` cannot
/// flatten a structure that refuses unknown fields.)
macro_rules! profile_body {
    ($(#[$meta:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($own)*
            /// The name to show: 1 to 100 characters.
            #[serde(default, deserialize_with = "present")]
            #[schema(value_type = Option<String>, max_length = 100)]
            name: Change<String>,
            /// What to say about oneself: at most 1,000 characters, line breaks allowed.
            #[serde(default, deserialize_with = "present")]
            #[schema(value_type = Option<String>, max_length = 1000)]
            bio: Change<String>,
            /// The `https` address of a picture on another server.
            #[serde(default, deserialize_with = "present")]
            #[schema(value_type = Option<String>, max_length = 2048, example = "https://example.com/ann.png")]
            avatar_url: Change<String>,
            /// A telephone number with its country code: `+` and 8 to 15 digits; spaces, hyphens and
            /// parentheses are dropped.
            #[serde(default, deserialize_with = "present")]
            #[schema(value_type = Option<String>, max_length = 40, example = "+4915112345678")]
            phone_number: Change<String>,
            /// A postal address as it stands on a letter: at most 500 characters, line breaks allowed.
            #[serde(default, deserialize_with = "present")]
            #[schema(value_type = Option<String>, max_length = 500)]
            address: Change<String>,
            /// A time zone of the IANA database.
            #[serde(default, deserialize_with = "present")]
            #[schema(value_type = Option<String>, max_length = 64, example = "Europe/Paris")]
            timezone: Change<String>,
            /// A language tag (BCP 47).
            #[serde(default, deserialize_with = "present")]
            #[schema(value_type = Option<String>, max_length = 35, example = "pt-BR")]
            locale: Change<String>,
            /// An application's own settings: a JSON object of at most 16 KiB and 8 levels, kept exactly.
            #[serde(default, deserialize_with = "present")]
            #[schema(value_type = Option<Object>)]
            preferences: Change<Box<RawValue>>,
            /// The attributes that the configuration adds, by name; those that are left out stay.
            #[schema(value_type = Option<Object>)]
            attributes: Option<BTreeMap<String, Value>>,
        }

        impl $name {
            /// The fields of the profile; the others stay behind.
            pub(super) fn take_profile(&mut self) -> Fields {
                Fields {
                    name: std::mem::take(&mut self.name),
                    bio: std::mem::take(&mut self.bio),
                    avatar_url: std::mem::take(&mut self.avatar_url),
                    phone_number: std::mem::take(&mut self.phone_number),
                    address: std::mem::take(&mut self.address),
                    timezone: std::mem::take(&mut self.timezone),
                    locale: std::mem::take(&mut self.locale),
                    preferences: std::mem::take(&mut self.preferences),
                    attributes: self.attributes.take().unwrap_or_default(),
                }
            }
        }
    };
}

profile_body! {
    /// Changes to a profile. A field that is left out stays; `null` clears it.
    PatchProfile {}
}

profile_body! {
    /// Changes to somebody's account. A field that is left out stays; `null` clears it.
    PatchAccount {
        /// Another address. All sessions of the account end.
        #[schema(max_length = 254)]
        pub(super) email: Option<String>,
        /// Whether the address is known to be the owner's. Another address is not, unless this says so.
        pub(super) email_verified: Option<bool>,
    }
}

profile_body! {
    /// An account to make.
    CreateAccount {
        /// An address that mail reaches.
        #[schema(max_length = 254, example = "ann@example.com")]
        pub(super) email: String,
        /// Whether the address is known to be the owner's.
        #[serde(default)]
        pub(super) email_verified: bool,
        /// Its roles beside `user`, for whoever may give them: at most 32.
        #[schema(max_items = 32)]
        pub(super) roles: Option<Vec<String>>,
    }
}

/// The fields of a profile as they were sent.
pub(super) struct Fields {
    name: Change<String>,
    bio: Change<String>,
    avatar_url: Change<String>,
    phone_number: Change<String>,
    address: Change<String>,
    timezone: Change<String>,
    locale: Change<String>,
    preferences: Change<Box<RawValue>>,
    attributes: BTreeMap<String, Value>,
}

/// The whole profile. A field that is left out is cleared.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutProfile {
    /// The name to show: 1 to 100 characters.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// What to say about oneself: at most 1,000 characters, line breaks allowed.
    #[schema(max_length = 1000)]
    bio: Option<String>,
    /// The `https` address of a picture on another server.
    #[schema(max_length = 2048)]
    avatar_url: Option<String>,
    /// Whether the address is that of the picture which is there.
    #[serde(skip)]
    #[schema(ignore)]
    keeps_avatar: bool,
    /// A telephone number with its country code: `+` and 8 to 15 digits; spaces, hyphens and parentheses are dropped.
    #[schema(max_length = 40)]
    phone_number: Option<String>,
    /// A postal address as it stands on a letter: at most 500 characters, line breaks allowed.
    #[schema(max_length = 500)]
    address: Option<String>,
    /// A time zone of the IANA database.
    #[schema(max_length = 64)]
    timezone: Option<String>,
    /// A language tag (BCP 47).
    #[schema(max_length = 35)]
    locale: Option<String>,
    /// An application's own settings: a JSON object of at most 16 KiB and 8 levels, kept exactly.
    #[schema(value_type = Option<Object>)]
    preferences: Option<Box<RawValue>>,
    /// The attributes that the configuration adds, by name; those that are left out are cleared.
    #[schema(value_type = Option<Object>)]
    attributes: Option<BTreeMap<String, Value>>,
}

/// A field that is there: `null` clears it.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Change<T>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Change::from)
}

impl PutProfile {
    /// See the same of [`Fields`].
    pub(super) fn keeping_own_avatar(self, origin: &str) -> Self {
        Self { keeps_avatar: is_own_avatar(origin, self.avatar_url.as_deref()), ..self }
    }

    /// The change that makes the profile this one.
    pub(super) fn read(self, schema: &AttributeSchema, writer: Party) -> Result<ProfileChange, Problem> {
        let fields = Fields {
            name: self.name.into(),
            bio: self.bio.into(),
            avatar_url: if self.keeps_avatar { Change::Keep } else { self.avatar_url.into() },
            phone_number: self.phone_number.into(),
            address: self.address.into(),
            timezone: self.timezone.into(),
            locale: self.locale.into(),
            preferences: self.preferences.into(),
            attributes: self.attributes.unwrap_or_default(),
        };
        let mut change = fields.read(schema, writer, Vec::new())?;
        let mut attributes = schema.cleared(writer);
        attributes.append(&mut change.personal.attributes);
        change.personal.attributes = attributes;
        Ok(change)
    }
}

/// Reads one field, and collects what is wrong with it.
fn field<T, U, E: std::fmt::Display>(
    errors: &mut Vec<FieldError>,
    (name, code): (&'static str, &'static str),
    typed: Change<T>,
    read: impl FnOnce(T) -> Result<Option<U>, E>,
) -> Change<U> {
    match typed.try_map(read) {
        Ok(Change::Set(Some(value))) => Change::Set(value),
        Ok(Change::Set(None) | Change::Clear) => Change::Clear,
        Ok(Change::Keep) => Change::Keep,
        Err(error) => {
            errors.push(FieldError::new(name, code, error.to_string()));
            Change::Keep
        }
    }
}

/// Whether this is an address of a picture that is kept here, or of initials.
fn is_own_avatar(origin: &str, url: Option<&str>) -> bool {
    url.and_then(|url| url.strip_prefix(origin)).is_some_and(|path| path.starts_with("/avatars/"))
}

impl Fields {
    /// With an address of ours as what it is: an account that was read and is sent back keeps its picture.
    /// Another one can be had by putting its bytes, and not by its address.
    pub(super) fn keeping_own_avatar(self, origin: &str) -> Self {
        match &self.avatar_url {
            Change::Set(url) if is_own_avatar(origin, Some(url)) => Self { avatar_url: Change::Keep, ..self },
            Change::Set(_) | Change::Clear | Change::Keep => self,
        }
    }

    /// The change, if every field can be what it is to be, and nothing else was wrong before.
    pub(super) fn read(
        self,
        schema: &AttributeSchema,
        writer: Party,
        mut errors: Vec<FieldError>,
    ) -> Result<ProfileChange, Problem> {
        let all = &mut errors;
        let change = ProfileChange {
            name: field(all, ("name", "invalid_name"), self.name, |typed| DisplayName::parse(&typed).map(Some)),
            bio: field(all, ("bio", "invalid_bio"), self.bio, |typed| Bio::parse(&typed)),
            avatar: field(all, ("avatar_url", "invalid_avatar_url"), self.avatar_url, |typed| {
                Avatar::parse(&typed).map(Some)
            }),
            timezone: field(all, ("timezone", "invalid_timezone"), self.timezone, |typed| {
                TimeZoneName::parse(&typed).map(Some).ok_or("Use a time zone like Europe/Paris.")
            }),
            locale: field(all, ("locale", "invalid_locale"), self.locale, |typed| {
                Locale::parse(&typed).map(Some).ok_or("Use a language tag like en or pt-BR.")
            }),
            preferences: field(all, ("preferences", "invalid_preferences"), self.preferences, |raw| {
                Preferences::parse(&raw).map(Some)
            }),
            personal: PersonalChange {
                phone_number: field(all, ("phone_number", "invalid_phone_number"), self.phone_number, |typed| {
                    PhoneNumber::parse(&typed).map(Some)
                }),
                address: field(all, ("address", "invalid_address"), self.address, |typed| Address::parse(&typed)),
                attributes: match schema.parse(self.attributes, writer) {
                    Ok(attributes) => attributes,
                    Err(wrong) => {
                        all.extend(wrong);
                        BTreeMap::new()
                    }
                },
            },
        };
        if errors.is_empty() { Ok(change) } else { Err(Problem::invalid_input(errors)) }
    }
}
