//! The attributes that an application adds to accounts: what the configuration says of them, and what a
//! value has to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use kernel::FieldError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use crate::Change;
use crate::profile::lines;

/// The telephone number's name among the attributes.
pub(crate) const PHONE_NUMBER: &str = "phone_number";
/// The postal address's.
pub(crate) const ADDRESS: &str = "address";

/// How many attributes there may be.
const MAX_ATTRIBUTES: usize = 50;
/// The longest name, in bytes.
const MAX_NAME: usize = 40;
/// The longest text, in characters, whatever is configured.
const MAX_TEXT: u32 = 2_000;
/// The longest text, in characters, if nothing is configured.
const USUAL_TEXT: u32 = 200;
/// How many values an attribute of type `enum` may have, each of at most 100 bytes.
const MAX_VALUES: usize = 100;

/// What an account has anyway: an attribute of such a name would be taken for it.
const RESERVED: [&str; 22] = [
    "id",
    "email",
    "email_verified",
    "name",
    "status",
    "roles",
    "avatar_url",
    "avatar",
    "bio",
    "timezone",
    "locale",
    "phone_number",
    "address",
    "preferences",
    "attributes",
    "created_at",
    "updated_at",
    "last_login_at",
    "version",
    "password",
    "password_hash",
    "locked_until",
];

/// One attribute, as it stands in the configuration (`[[users.attributes]]`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeSpec {
    /// Its name: `a`–`z`, `0`–`9` and `_`.
    pub name: String,
    /// What a value is.
    #[serde(rename = "type")]
    pub kind: AttributeKind,
    /// Whether it says something of a person, and so is kept encrypted. It is unless said otherwise.
    #[serde(default = "yes")]
    pub personal: bool,
    /// Whether accounts can be found by its exact value.
    #[serde(default)]
    pub searchable: bool,
    /// Who may see it.
    #[serde(default = "everybody")]
    pub read: Vec<Party>,
    /// Who may change it.
    #[serde(default = "officers")]
    pub write: Vec<Party>,
    /// The longest text, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// The values that one of type `enum` can have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

const fn yes() -> bool {
    true
}

fn everybody() -> Vec<Party> {
    vec![Party::Owner, Party::Officers]
}

fn officers() -> Vec<Party> {
    vec![Party::Officers]
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttributeKind {
    /// A text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// Yes or no.
    Boolean,
    /// A day: `2026-11-28`.
    Date,
    /// One of a few texts.
    Enum,
}

/// Who looks at an account, or changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Party {
    /// The person whose account it is.
    #[serde(rename = "self")]
    Owner,
    /// Whoever may read, or change, accounts of others.
    #[serde(rename = "officers")]
    Officers,
}

/// A configuration of attributes that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    /// Too many.
    #[error("there are more than {MAX_ATTRIBUTES} attributes")]
    TooMany,
    /// A name that cannot be one.
    #[error("`{0}` is no name for an attribute: use 1 to {MAX_NAME} of a-z, 0-9 and _, beginning with a letter")]
    Name(String),
    /// A name that accounts have anyway.
    #[error("`{0}` is a field that every account has: use another name")]
    Reserved(String),
    /// A name that stands twice.
    #[error("the attribute `{0}` stands twice")]
    Twice(String),
    /// Values that do not fit the type.
    #[error(
        "the attribute `{0}`: `values` is for the type enum, with 1 to {MAX_VALUES} different ones of at most 100 bytes"
    )]
    Values(String),
    /// A length that does not fit the type.
    #[error("the attribute `{0}`: `max_length` is for the type string, from 1 to {MAX_TEXT}")]
    Length(String),
    /// Nobody may see it.
    #[error("the attribute `{0}`: nobody may read it; name `self` or `officers` in `read`")]
    Unseen(String),
    /// Somebody may change what they may not see.
    #[error("the attribute `{0}`: whoever may write it has to be in `read` too")]
    Blind(String),
}

/// All attributes of the configuration, checked. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct AttributeSchema(Arc<BTreeMap<String, AttributeSpec>>);

/// A value that fits its attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeValue(Value);

impl AttributeValue {
    /// The value, as JSON.
    pub const fn as_json(&self) -> &Value {
        &self.0
    }
}

impl AttributeSchema {
    /// Checks what the configuration says.
    pub fn new(specs: &[AttributeSpec]) -> Result<Self, InvalidSchema> {
        if specs.len() > MAX_ATTRIBUTES {
            return Err(InvalidSchema::TooMany);
        }
        let mut all = BTreeMap::new();
        for spec in specs {
            spec.check()?;
            if all.insert(spec.name.clone(), spec.clone()).is_some() {
                return Err(InvalidSchema::Twice(spec.name.clone()));
            }
        }
        Ok(Self(Arc::new(all)))
    }

    /// The attribute of this name.
    pub fn get(&self, name: &str) -> Option<&AttributeSpec> {
        self.0.get(name)
    }

    /// All attributes, by name.
    pub fn all(&self) -> impl Iterator<Item = &AttributeSpec> {
        self.0.values()
    }

    /// Reads what somebody wants attributes to be; `null` clears one.
    pub fn parse(
        &self,
        typed: BTreeMap<String, Value>,
        writer: Party,
    ) -> Result<BTreeMap<String, Change<AttributeValue>>, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut changes = BTreeMap::new();
        for (name, value) in typed {
            match self.parse_one(&name, value, writer) {
                Ok(change) => drop(changes.insert(name, change)),
                Err((code, message)) => {
                    let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
                    errors.push(FieldError::new(format!("attributes.{name}"), code, message));
                }
            }
        }
        if errors.is_empty() { Ok(changes) } else { Err(errors) }
    }

    fn parse_one(
        &self,
        name: &str,
        value: Value,
        writer: Party,
    ) -> Result<Change<AttributeValue>, (&'static str, String)> {
        // Whoever may not see one does not learn that it is there.
        let Some(spec) = self.get(name).filter(|spec| spec.read.contains(&writer)) else {
            return Err(("unknown_attribute", "There is no attribute of this name.".to_owned()));
        };
        if !spec.write.contains(&writer) {
            return Err(("read_only", "This attribute cannot be changed here.".to_owned()));
        }
        if value.is_null() {
            return Ok(Change::Clear);
        }
        spec.read_value(value).map(Change::Set).ok_or_else(|| ("invalid_attribute", spec.hint()))
    }

    /// All that `writer` may change, cleared: what a replacement begins with.
    pub fn cleared(&self, writer: Party) -> BTreeMap<String, Change<AttributeValue>> {
        let theirs = self.all().filter(|spec| spec.write.contains(&writer));
        theirs.map(|spec| (spec.name.clone(), Change::Clear)).collect()
    }
}

impl AttributeSpec {
    fn check(&self) -> Result<(), InvalidSchema> {
        let name = || self.name.clone();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let begins = self.name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !begins || self.name.len() > MAX_NAME || !self.name.bytes().all(allowed) {
            return Err(InvalidSchema::Name(name()));
        }
        if RESERVED.contains(&self.name.as_str()) {
            return Err(InvalidSchema::Reserved(name()));
        }
        let values: std::collections::BTreeSet<&String> = self.values.iter().collect();
        let good = |value: &&String| (1..=100).contains(&value.len()) && !value.chars().any(char::is_control);
        let values_fit = match self.kind {
            AttributeKind::Enum => {
                (1..=MAX_VALUES).contains(&values.len()) && values.len() == self.values.len() && values.iter().all(good)
            }
            AttributeKind::String | AttributeKind::Integer | AttributeKind::Boolean | AttributeKind::Date => {
                values.is_empty()
            }
        };
        if !values_fit {
            return Err(InvalidSchema::Values(name()));
        }
        if self.max_length.is_some_and(|most| self.kind != AttributeKind::String || !(1..=MAX_TEXT).contains(&most)) {
            return Err(InvalidSchema::Length(name()));
        }
        if self.read.is_empty() {
            return Err(InvalidSchema::Unseen(name()));
        }
        if self.write.iter().any(|party| !self.read.contains(party)) {
            return Err(InvalidSchema::Blind(name()));
        }
        Ok(())
    }

    /// The longest text that one of type `string` can have, in characters.
    pub fn most_characters(&self) -> usize {
        self.max_length.unwrap_or(USUAL_TEXT) as usize
    }

    /// The value, if it fits.
    fn read_value(&self, value: Value) -> Option<AttributeValue> {
        let fits = match (self.kind, &value) {
            (AttributeKind::String, Value::String(typed)) => {
                return lines(typed, self.most_characters()).ok()?.map(|text| AttributeValue(Value::String(text)));
            }
            (AttributeKind::Integer, Value::Number(number)) => number.is_i64(),
            (AttributeKind::Boolean, Value::Bool(_)) => true,
            (AttributeKind::Date, Value::String(text)) => is_date(text),
            (AttributeKind::Enum, Value::String(text)) => self.values.contains(text),
            _ => false,
        };
        fits.then_some(AttributeValue(value))
    }

    fn hint(&self) -> String {
        match self.kind {
            AttributeKind::String => {
                format!("Send a text of 1 to {} characters, none of them invisible.", self.most_characters())
            }
            AttributeKind::Integer => "Send a whole number.".to_owned(),
            AttributeKind::Boolean => "Send true or false.".to_owned(),
            AttributeKind::Date => "Send a day like 2026-11-28.".to_owned(),
            AttributeKind::Enum => format!("Send one of: {}.", self.values.join(", ")),
        }
    }
}

/// A day in the one form of RFC 3339 §5.6 `full-date`.
fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok_and(|date| date.to_string() == text)
}

/// A text as it is compared when somebody searches: case and spelling in Unicode do not matter.
pub(crate) fn normalise(text: &str) -> String {
    text.trim().nfkc().collect::<String>().to_lowercase().nfkc().collect()
}

/// What a value is searched by.
pub(crate) fn searched_as(value: &Value) -> String {
    match value {
        Value::String(text) => normalise(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(json: Value) -> AttributeSpec {
        serde_json::from_value(json).unwrap()
    }

    fn schema() -> AttributeSchema {
        AttributeSchema::new(&[
            spec(json!({"name": "team", "type": "string", "personal": false, "max_length": 10, "write": ["self"], "read": ["self", "officers"]})),
            spec(json!({"name": "age", "type": "integer", "write": ["self", "officers"]})),
            spec(json!({"name": "newsletter", "type": "boolean", "write": ["self"]})),
            spec(json!({"name": "born", "type": "date", "write": ["self"]})),
            spec(json!({"name": "plan", "type": "enum", "values": ["free", "paid"]})),
            spec(json!({"name": "risk", "type": "integer", "read": ["officers"]})),
        ])
        .unwrap()
    }

    fn code(name: &str, value: Value, writer: Party) -> String {
        let parsed = schema().parse(BTreeMap::from([(name.to_owned(), value)]), writer);
        parsed.map_or_else(|errors| errors[0].code.to_owned(), |_| "ok".to_owned())
    }

    #[test]
    fn values_have_to_fit_their_attribute() {
        for (name, good) in [
            ("team", json!("Ünïcode 10")),
            ("age", json!(-7)),
            ("newsletter", json!(false)),
            ("born", json!("2000-02-29")),
            ("team", json!(null)),
        ] {
            assert_eq!(code(name, good, Party::Owner), "ok", "{name}");
        }
        for (name, wrong) in [
            ("team", json!("more than ten")),
            ("team", json!("a\u{202e}b")),
            ("team", json!("")),
            ("team", json!(7)),
            ("age", json!(1.5)),
            ("age", json!("7")),
            ("age", json!(18_446_744_073_709_551_615_u64)),
            ("newsletter", json!("true")),
            ("newsletter", json!(1)),
            ("born", json!("2001-02-29")),
            ("born", json!("2001-2-9")),
            ("born", json!("20010209")),
            ("born", json!("2001-02-09T00:00:00Z")),
            ("team", json!({"a": 1})),
            ("team", json!(["a"])),
        ] {
            assert_eq!(code(name, wrong.clone(), Party::Owner), "invalid_attribute", "{name} {wrong}");
        }
        assert_eq!(code("plan", json!("paid"), Party::Officers), "ok");
        assert_eq!(code("plan", json!("gold"), Party::Officers), "invalid_attribute");
    }

    #[test]
    fn only_who_may_write_writes_and_who_may_not_read_learns_nothing() {
        assert_eq!(code("plan", json!("paid"), Party::Owner), "read_only");
        assert_eq!(code("risk", json!(1), Party::Owner), code("nothing", json!(1), Party::Owner));
        assert_eq!(code("risk", json!(1), Party::Officers), "ok");
        assert_eq!(code("newsletter", json!(true), Party::Officers), "read_only");
        let cleared: Vec<String> = schema().cleared(Party::Owner).into_keys().collect();
        assert_eq!(cleared, ["age", "born", "newsletter", "team"]);
    }

    #[test]
    fn a_schema_that_cannot_be_is_refused_with_what_to_do() {
        let refused = |json: Value| AttributeSchema::new(&[spec(json)]).unwrap_err();
        for name in ["", "Team", "a-b", "1st", "a.b", "a/b", "ü", "x".repeat(41).as_str()] {
            assert!(matches!(refused(json!({"name": name, "type": "string"})), InvalidSchema::Name(_)), "{name}");
        }
        for name in ["email", "roles", "phone_number", "locked_until"] {
            assert!(matches!(refused(json!({"name": name, "type": "string"})), InvalidSchema::Reserved(_)));
        }
        assert!(matches!(refused(json!({"name": "a", "type": "enum"})), InvalidSchema::Values(_)));
        assert!(matches!(
            refused(json!({"name": "a", "type": "enum", "values": ["x", "x"]})),
            InvalidSchema::Values(_)
        ));
        assert!(matches!(refused(json!({"name": "a", "type": "date", "values": ["x"]})), InvalidSchema::Values(_)));
        assert!(matches!(refused(json!({"name": "a", "type": "string", "max_length": 0})), InvalidSchema::Length(_)));
        assert!(matches!(refused(json!({"name": "a", "type": "integer", "max_length": 5})), InvalidSchema::Length(_)));
        assert!(matches!(refused(json!({"name": "a", "type": "string", "read": []})), InvalidSchema::Unseen(_)));
        let blind = json!({"name": "a", "type": "string", "read": ["officers"], "write": ["self"]});
        assert!(matches!(refused(blind), InvalidSchema::Blind(_)));
        let twice = [spec(json!({"name": "a", "type": "string"})), spec(json!({"name": "a", "type": "date"}))];
        assert!(matches!(AttributeSchema::new(&twice), Err(InvalidSchema::Twice(_))));
        assert!(serde_json::from_value::<AttributeSpec>(json!({"name": "a", "type": "float"})).is_err());
        assert!(serde_json::from_value::<AttributeSpec>(json!({"name": "a", "type": "string", "secret": 1})).is_err());
    }

    #[test]
    fn searching_does_not_mind_case_or_spelling() {
        assert_eq!(normalise("  ＺＯË "), normalise("zoe\u{308}"));
        assert_eq!(searched_as(&json!(7)), "7");
        assert_eq!(searched_as(&json!(true)), "true");
    }
}
