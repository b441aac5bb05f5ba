//! What each source's export says of a person, and what that is here.

use std::collections::BTreeMap;

use auth::hashing::ForeignHash;
use auth::hashing::foreign::{Digest, FirebaseParameters, FirebaseScrypt, SaltedSha, Scrypt, from_base64, from_hex};
use kernel::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use users::import::RawAccount;

/// An account, and its password's hash.
pub type Row = (RawAccount, Option<String>);

/// A moment as people's exports write it: RFC 3339, PostgreSQL's text, or milliseconds since 1970.
pub fn moment(text: &str) -> Result<Option<Timestamp>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let millis: i64 = text.parse().map_err(|_| "a moment is out of bounds".to_owned())?;
        return Ok(Some(Timestamp::from_unix_micros(millis.saturating_mul(1000))));
    }
    let mut exact = text.replacen(' ', "T", 1);
    // PostgreSQL writes `+00` for what RFC 3339 wants as `+00:00`.
    if exact.len() > 3 && matches!(exact.as_bytes()[exact.len() - 3], b'+' | b'-') && exact.contains(':') {
        exact.push_str(":00");
    } else if exact.len() == 19 {
        exact.push('Z');
    }
    serde_json::from_value(Value::String(exact))
        .map(Some)
        .map_err(|_| "a moment is not like 2026-01-31T12:00:00Z".to_owned())
}

fn moment_in(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, String> {
    text.map_or(Ok(None), moment).map_err(|error| format!("{field}: {error}"))
}

fn millis(number: Option<i64>) -> Option<Timestamp> {
    number.map(|millis| Timestamp::from_unix_micros(millis.saturating_mul(1000)))
}

/// A user as the API shows one, with `password_hash`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ours {
    id: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    name: Option<String>,
    locale: Option<String>,
    bio: Option<String>,
    timezone: Option<String>,
    avatar_url: Option<String>,
    phone_number: Option<String>,
    address: Option<String>,
    preferences: Option<Box<RawValue>>,
    attributes: Option<BTreeMap<String, Value>>,
    status: Option<String>,
    roles: Option<Vec<String>>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    last_login_at: Option<Timestamp>,
    /// Every import begins at 1.
    #[serde(rename = "version")]
    _version: Option<i64>,
    password_hash: Option<String>,
}

impl Ours {
    /// The row.
    pub fn into_row(self) -> Row {
        let account = RawAccount {
            id: self.id,
            email: self.email,
            email_verified: self.email_verified.unwrap_or_default(),
            name: self.name,
            locale: self.locale,
            bio: self.bio,
            timezone: self.timezone,
            // A picture that another Usher keeps stays there.
            avatar_url: self.avatar_url.filter(|url| url.starts_with("https://")),
            phone_number: self.phone_number,
            address: self.address,
            preferences: self.preferences.map(|raw| raw.get().to_owned()),
            attributes: self.attributes.unwrap_or_default(),
            drops_unknown_attributes: false,
            status: self.status,
            roles: self.roles.unwrap_or_default(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            last_login_at: self.last_login_at,
        };
        (account, self.password_hash)
    }
}

/// A user in Keycloak's realm export.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keycloak {
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    enabled: Option<bool>,
    first_name: Option<String>,
    last_name: Option<String>,
    created_timestamp: Option<i64>,
    #[serde(default)]
    attributes: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    credentials: Vec<KeycloakCredential>,
    #[serde(default)]
    realm_roles: Vec<String>,
    service_account_client_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeycloakCredential {
    #[serde(rename = "type")]
    kind: String,
    secret_data: Option<String>,
    credential_data: Option<String>,
}

impl Keycloak {
    /// The row.
    pub fn into_row(self) -> Result<Row, String> {
        if self.service_account_client_id.is_some() {
            return Err("It is the account of a service, not of a person.".to_owned());
        }
        let password = self.credentials.iter().find(|credential| credential.kind == "password");
        let hash = password.map(|credential| {
            let data = credential.credential_data.as_deref().unwrap_or_default();
            let hash = ForeignHash::keycloak(data, credential.secret_data.as_deref().unwrap_or_default());
            hash.map(|hash| hash.to_string()).map_err(|error| format!("credentials: {error}"))
        });
        let attribute = |name: &str| self.attributes.get(name).and_then(|values| values.first()).cloned();
        let name = [self.first_name.as_deref(), self.last_name.as_deref()].into_iter().flatten();
        let name = name.map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        // What every realm gives everybody, for its own pages.
        let own = |role: &String| {
            role.starts_with("default-roles-") || matches!(role.as_str(), "offline_access" | "uma_authorization")
        };
        let account = RawAccount {
            email: self.email,
            email_verified: self.email_verified,
            name: Some(name),
            locale: attribute("locale"),
            status: (self.enabled == Some(false)).then(|| "suspended".to_owned()),
            roles: self.realm_roles.into_iter().filter(|role| !own(role)).collect(),
            created_at: millis(self.created_timestamp),
            phone_number: attribute("phone_number").or_else(|| attribute("phoneNumber")),
            timezone: attribute("zoneinfo"),
            attributes: attributes(&self.attributes),
            drops_unknown_attributes: true,
            ..RawAccount::default()
        };
        Ok((account, hash.transpose()?))
    }
}

/// Attributes with one value; `locale`, telephone number and time zone have fields of their own here.
fn attributes(all: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Value> {
    let single = all.iter().filter_map(|(name, values)| match &values[..] {
        [value] => Some((name.clone(), Value::String(value.clone()))),
        _ => None,
    });
    single
        .filter(|(name, _)| !matches!(name.as_str(), "locale" | "phone_number" | "phoneNumber" | "zoneinfo"))
        .collect()
}

/// A user in one of Auth0's exports: of the export job, of the hashes that its support sends, or in the
/// form that it imports.
#[derive(Deserialize)]
pub struct Auth0 {
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    name: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
    last_login: Option<String>,
    phone_number: Option<String>,
    #[serde(default)]
    blocked: bool,
    #[serde(alias = "passwordHash")]
    password_hash: Option<String>,
    custom_password_hash: Option<CustomHash>,
}

/// `custom_password_hash` of Auth0's import schema.
#[derive(Deserialize)]
struct CustomHash {
    algorithm: String,
    hash: Encoded,
    salt: Option<Encoded>,
    cost: Option<u64>,
    #[serde(rename = "blockSize")]
    block_size: Option<u32>,
    parallelization: Option<u32>,
}

#[derive(Deserialize)]
struct Encoded {
    value: String,
    encoding: Option<String>,
    position: Option<String>,
}

impl Encoded {
    fn bytes(&self) -> Option<Vec<u8>> {
        match self.encoding.as_deref() {
            Some("base64") => from_base64(&self.value),
            Some("hex") => from_hex(&self.value),
            None | Some("utf8") => Some(self.value.clone().into_bytes()),
            Some(_) => None,
        }
    }
}

impl CustomHash {
    fn text(&self) -> Result<String, String> {
        let not_known = || format!("custom_password_hash: {}", auth::hashing::Unacceptable::Unknown);
        let parts = || Some((self.salt.as_ref()?.bytes()?, self.hash.bytes()?));
        let hash = match self.algorithm.as_str() {
            "argon2" | "bcrypt" | "ldap" | "pbkdf2" => ForeignHash::parse(&self.hash.value),
            "scrypt" => {
                let (salt, tag) = parts().ok_or_else(not_known)?;
                let (n, r) = (self.cost.unwrap_or(16_384), self.block_size.unwrap_or(8));
                Scrypt::new(n, r, self.parallelization.unwrap_or(1), salt, tag).map(ForeignHash::Scrypt)
            }
            name @ ("sha1" | "sha256" | "sha512")
                if self.salt.as_ref().is_some_and(|salt| salt.position.as_deref() == Some("suffix")) =>
            {
                let (salt, tag) = parts().ok_or_else(not_known)?;
                let digest = Digest::by_name(name).ok_or_else(not_known)?;
                SaltedSha::new(digest, salt, tag).map(ForeignHash::SaltedSha)
            }
            _ => return Err(not_known()),
        };
        hash.map(|hash| hash.to_string()).map_err(|error| format!("custom_password_hash: {error}"))
    }
}

impl Auth0 {
    /// The row.
    pub fn into_row(self) -> Result<Row, String> {
        let hash = match (self.password_hash, self.custom_password_hash) {
            (Some(hash), _) => Some(hash),
            (None, Some(custom)) => Some(custom.text()?),
            (None, None) => None,
        };
        let account = RawAccount {
            // Whoever told it no name is called by their address there.
            name: self.name.filter(|name| self.email.as_ref() != Some(name)),
            email: self.email,
            email_verified: self.email_verified,
            phone_number: self.phone_number,
            status: self.blocked.then(|| "suspended".to_owned()),
            created_at: moment_in("created_at", self.created_at.as_deref())?,
            updated_at: moment_in("updated_at", self.updated_at.as_deref())?,
            last_login_at: moment_in("last_login", self.last_login.as_deref())?,
            ..RawAccount::default()
        };
        Ok((account, hash))
    }
}

/// A user in the JSON of `firebase auth:export`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Firebase {
    /// The address.
    pub email: Option<String>,
    /// Whether it was shown to be the owner's.
    pub email_verified: bool,
    /// The name.
    pub display_name: Option<String>,
    /// The hash.
    pub password_hash: Option<String>,
    /// Its salt.
    pub salt: Option<String>,
    /// Milliseconds, as a text.
    pub created_at: Option<String>,
    /// Milliseconds, as a text.
    pub last_signed_in_at: Option<String>,
    /// The telephone number.
    pub phone_number: Option<String>,
    /// Whether it may not be used.
    pub disabled: bool,
}

impl Firebase {
    /// The row.
    pub fn into_row(self, parameters: Option<&FirebaseParameters>) -> Result<Row, String> {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let hash = match (filled(self.password_hash), filled(self.salt), parameters) {
            (None, _, _) => None,
            (Some(hash), Some(salt), Some(parameters)) => {
                let hash = FirebaseScrypt::new(parameters, &hash, &salt).map(ForeignHash::Firebase);
                Some(hash.map_err(|error| format!("passwordHash: {error}"))?.to_string())
            }
            (Some(_), _, None) => return Err("passwordHash: Say --firebase-config.".to_owned()),
            (Some(_), None, Some(_)) => return Err("salt: The row has none.".to_owned()),
        };
        let account = RawAccount {
            email: self.email,
            email_verified: self.email_verified,
            name: self.display_name,
            phone_number: self.phone_number,
            status: self.disabled.then(|| "suspended".to_owned()),
            created_at: moment_in("createdAt", self.created_at.as_deref())?,
            last_login_at: moment_in("lastSignedInAt", self.last_signed_in_at.as_deref())?,
            ..RawAccount::default()
        };
        Ok((account, hash))
    }
}

/// A row of Supabase's `auth.users`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Supabase {
    /// The address.
    pub email: Option<String>,
    /// bcrypt, or nothing for people who come from elsewhere.
    pub encrypted_password: Option<String>,
    /// When the address was confirmed.
    pub email_confirmed_at: Option<String>,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it was changed.
    pub updated_at: Option<String>,
    /// When somebody last signed in.
    pub last_sign_in_at: Option<String>,
    /// Until when it is banned.
    pub banned_until: Option<String>,
    /// When it was deleted.
    pub deleted_at: Option<String>,
    /// The telephone number, without its `+`.
    pub phone: Option<String>,
    /// What the person says of themselves.
    pub raw_user_meta_data: Value,
}

impl Supabase {
    /// The row.
    pub fn into_row(self, now: Timestamp) -> Result<Row, String> {
        let filled = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
        let banned_until = moment_in("banned_until", self.banned_until.as_deref())?;
        let status = if filled(&self.deleted_at) {
            Some("deleted")
        } else if banned_until.is_some_and(|until| until > now) {
            Some("suspended")
        } else {
            None
        };
        // In a CSV it is JSON in a cell.
        let said = match &self.raw_user_meta_data {
            Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
            said => said.clone(),
        };
        let name = ["full_name", "name"].iter().find_map(|key| said.get(*key)?.as_str().map(str::to_owned));
        let account = RawAccount {
            email: self.email,
            email_verified: filled(&self.email_confirmed_at),
            name,
            phone_number: self
                .phone
                .filter(|number| !number.is_empty())
                .map(|number| format!("+{}", number.trim_start_matches('+'))),
            status: status.map(str::to_owned),
            created_at: moment_in("created_at", self.created_at.as_deref())?,
            updated_at: moment_in("updated_at", self.updated_at.as_deref())?,
            last_login_at: moment_in("last_sign_in_at", self.last_sign_in_at.as_deref())?,
            ..RawAccount::default()
        };
        Ok((account, self.encrypted_password.filter(|hash| !hash.is_empty())))
    }
}
