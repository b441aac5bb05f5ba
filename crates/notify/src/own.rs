//! Messages of an application: named by an operator, with words in the folder of templates, and said to people when the
//! application asks for it.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Category;
use crate::category::Categories;
use crate::template::Template;

/// What a value of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// A text of at most 500 characters, in one line.
    Text,
    /// A whole number that a double has exactly.
    Number,
}

/// What an operator says of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageSpec {
    /// Its name: 1 to 48 of `a-z 0-9 -`, a letter first. Its words are named for it.
    pub name: String,
    /// What it is for.
    pub category: String,
    /// The values that its words may name, and what they are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, ValueKind>,
    /// Where its button leads: an https address, or a path here. A value in it stands in braces.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub link: String,
}

/// A message of an application.
#[derive(Debug)]
pub(crate) struct Spec {
    name: &'static str,
    pub(crate) category: Category,
    data: Vec<(String, ValueKind)>,
    link: String,
}

/// One of them: as good as its name, for as long as the program lives.
#[derive(Clone, Copy)]
pub struct OwnMessage(&'static Spec);

impl OwnMessage {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        self.0.name
    }
}

impl PartialEq for OwnMessage {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for OwnMessage {}

impl std::hash::Hash for OwnMessage {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl fmt::Debug for OwnMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnMessage({})", self.0.name)
    }
}

/// Not a list of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidMessages {
    /// The name of the one that is wrong.
    pub name: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for InvalidMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.name, self.what)
    }
}

impl std::error::Error for InvalidMessages {}

/// All messages of the application.
#[derive(Clone, Debug, Default)]
pub struct Messages(Vec<OwnMessage>);

/// How many there can be.
const MOST: usize = 200;
/// How many values one can have.
const VALUES: usize = 20;
/// The longest text of a value, in characters.
const TEXT: usize = 500;
/// The numbers that words can say: those that a double has, each for itself, as JavaScript's are.
const NUMBERS: std::ops::RangeInclusive<i64> = -((1 << 53) - 1)..=(1 << 53) - 1;
/// The longest address of a button, with its values.
const LINK: usize = 2_000;
/// What words name already.
const TAKEN: [&str; 4] = ["product", "host", "email", "name"];

impl Messages {
    /// Those of the configuration.
    pub fn new(specs: &[MessageSpec], categories: &Categories) -> Result<Self, InvalidMessages> {
        let mut all: Vec<OwnMessage> = Vec::new();
        for spec in specs {
            let wrong = |what: &str| InvalidMessages { name: spec.name.clone(), what: what.to_owned() };
            if all.len() >= MOST {
                return Err(wrong("there can be 200 messages"));
            }
            if !is_name(&spec.name, 48, b"-") {
                return Err(wrong("a name is 1 to 48 of a-z, 0-9 and -, and begins with a letter"));
            }
            if Template::parse(&spec.name).is_some() || all.iter().any(|own| own.name() == spec.name) {
                return Err(wrong("there is a message of this name already"));
            }
            let category = categories.find(&spec.category).map(|offered| offered.category);
            let category = category.ok_or_else(|| wrong("its category is none: see `notify.categories`"))?;
            if spec.data.len() > VALUES {
                return Err(wrong("it can have 20 values"));
            }
            if let Some(name) = spec.data.keys().find(|name| !is_name(name, 32, b"_") || TAKEN.contains(&name.as_str()))
            {
                return Err(wrong(&format!("`{name}` is no name for a value, or it has one already")));
            }
            check_link(&spec.link, &spec.data).map_err(wrong)?;
            let own = Spec {
                // The configuration is read once: what is in it stays for as long as the program lives.
                name: Box::leak(spec.name.clone().into_boxed_str()),
                category,
                data: spec.data.iter().map(|(name, kind)| (name.clone(), *kind)).collect(),
                link: spec.link.clone(),
            };
            all.push(OwnMessage(Box::leak(Box::new(own))));
        }
        Ok(Self(all))
    }

    /// All of them, as templates.
    pub(crate) fn templates(&self) -> impl Iterator<Item = Template> {
        self.0.iter().map(|own| Template::Own(*own))
    }

    /// The message of this name.
    pub(crate) fn find(&self, name: &str) -> Option<OwnMessage> {
        self.0.iter().find(|own| own.name() == name).copied()
    }
}

fn is_name(text: &str, longest: usize, others: &[u8]) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || others.contains(&byte);
    // As Fluent has it, where words are named for it.
    let begins_well = text.starts_with(|first: char| first.is_ascii_lowercase());
    begins_well && text.len() <= longest && text.bytes().all(allowed)
}

/// A button leads to a host that the operator wrote: no value decides where.
fn check_link(link: &str, data: &BTreeMap<String, ValueKind>) -> Result<(), &'static str> {
    if link.is_empty() {
        return Ok(());
    }
    let authority = match link.strip_prefix("https://") {
        Some(rest) => rest.split(['/', '?', '#']).next().unwrap_or_default(),
        None if link.starts_with('/') && !link.starts_with("//") => "here",
        None => return Err("its link is an https address or a path that begins with /"),
    };
    let is_plain = link.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`|".contains(&byte));
    if authority.is_empty() || authority.contains(['{', '}', '@']) || !is_plain || link.len() > 500 {
        return Err("its link has a host without values, and no spaces or quotes");
    }
    for name in placeholders(link) {
        if !data.contains_key(name) {
            return Err("its link names a value that it does not have");
        }
    }
    Ok(())
}

fn placeholders(link: &str) -> impl Iterator<Item = &str> {
    link.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name)
}

/// Why the values of a message cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidValue {
    pub(crate) name: String,
    pub(crate) code: &'static str,
    pub(crate) what: &'static str,
}

impl OwnMessage {
    /// What it is for.
    pub(crate) const fn category(self) -> Category {
        self.0.category
    }

    /// All that is wrong with these values, if something is.
    pub(crate) fn check(self, values: &Map<String, Value>) -> Vec<InvalidValue> {
        let mut wrong = Vec::new();
        let mut add = |name: &str, code, what| wrong.push(InvalidValue { name: name.to_owned(), code, what });
        if values.len() > VALUES {
            add("", "unknown", "Send what the message has, and nothing else.");
            return wrong;
        }
        for (name, kind) in &self.0.data {
            match (values.get(name), kind) {
                (None, _) => add(name, "missing", "The message needs this value."),
                (Some(Value::String(text)), ValueKind::Text) => {
                    if text.chars().count() > TEXT || text.chars().any(users::turns_or_breaks) {
                        add(name, "invalid_text", "Send one line of at most 500 characters.");
                    } else if matches!(text.as_str(), "" | "." | "..")
                        && placeholders(&self.0.link).any(|in_it| in_it == name)
                    {
                        // Browsers read these as steps in a path, however they are written (URL standard, path state).
                        add(name, "invalid_text", "It is a part of the link: send a name and no dots alone.");
                    }
                }
                (Some(Value::Number(number)), ValueKind::Number)
                    if number.as_i64().is_some_and(|number| NUMBERS.contains(&number)) => {}
                (Some(_), ValueKind::Text) => add(name, "wrong_type", "Send a text."),
                (Some(_), ValueKind::Number) => {
                    add(name, "wrong_type", "Send a whole number between -9007199254740991 and 9007199254740991.");
                }
            }
        }
        for name in values.keys().filter(|name| self.0.data.iter().all(|(known, _)| known != *name)) {
            let name: String = name.chars().filter(|c| !c.is_control()).take(32).collect();
            add(&name, "unknown", "The message does not have this value.");
        }
        wrong
    }

    /// Where its button leads, with these values; nothing if it has none.
    pub(crate) fn link(self, origin: &str, values: &Map<String, Value>) -> Option<String> {
        if self.0.link.is_empty() {
            return None;
        }
        let mut link = self.0.link.clone();
        for name in placeholders(&self.0.link) {
            let value = match values.get(name) {
                Some(Value::String(text)) => utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
                Some(value) => value.to_string(),
                None => String::new(),
            };
            link = link.replace(&format!("{{{name}}}"), &value);
        }
        if link.starts_with('/') {
            link.insert_str(0, origin);
        }
        // A mail program may cut what is longer, and lead elsewhere.
        (link.len() <= LINK).then_some(link)
    }

    /// Values to try its words with.
    pub(crate) fn sample(self) -> Map<String, Value> {
        let value = |kind: &ValueKind| match kind {
            ValueKind::Text => Value::from("Amara & <Okafor>"),
            ValueKind::Number => Value::from(2),
        };
        self.0.data.iter().map(|(name, kind)| (name.clone(), value(kind))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(name: &str) -> MessageSpec {
        MessageSpec {
            name: name.into(),
            category: "product".into(),
            data: [("order".into(), ValueKind::Text), ("parcels".into(), ValueKind::Number)].into(),
            link: "https://shop.example.com/orders/{order}?n={parcels}".into(),
        }
    }

    fn error(spec: MessageSpec) -> Option<String> {
        Messages::new(&[spec], &Categories::default()).err().map(|error| error.what)
    }

    fn values(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_message_has_a_name_a_category_and_values() {
        let messages = Messages::new(&[spec("order-shipped")], &Categories::default()).unwrap();
        let own = messages.find("order-shipped").unwrap();
        assert_eq!(own.category(), Category::Product);
        assert!(own.check(&values(&json!({"order": "A 17", "parcels": 2}))).is_empty());
        let codes = |value: Value| -> Vec<(String, &str)> {
            own.check(&values(&value)).into_iter().map(|wrong| (wrong.name, wrong.code)).collect()
        };
        assert_eq!(codes(json!({"order": "A"})), [("parcels".to_owned(), "missing")]);
        assert_eq!(codes(json!({"order": 1, "parcels": "2"})).len(), 2);
        assert_eq!(codes(json!({"order": "A", "parcels": 1.5})), [("parcels".to_owned(), "wrong_type")]);
        assert_eq!(codes(json!({"order": "A", "parcels": 1, "x": 1})), [("x".to_owned(), "unknown")]);
        assert!(codes(json!({"order": "A", "parcels": 9_007_199_254_740_991_i64})).is_empty());
        let beyond = codes(json!({"order": "A", "parcels": 9_007_199_254_740_993_i64}));
        assert_eq!(beyond, [("parcels".to_owned(), "wrong_type")], "words would say another number");
        let many: Map<String, Value> = (0..10_000).map(|number| (format!("x{number}"), Value::from(number))).collect();
        assert_eq!(own.check(&many).len(), 1, "what is wrong is said once");
        for text in ["x".repeat(501), "a\r\nBcc: x".into(), "a\u{202e}b".into()] {
            assert_eq!(codes(json!({"order": text, "parcels": 1})), [("order".to_owned(), "invalid_text")]);
        }
        assert!(error(MessageSpec { category: "nonsense".into(), ..spec("a") }).unwrap().contains("category"));
        for name in ["", "Order", "welcome", "a b", "-a", "1a", &"x".repeat(49)] {
            assert!(error(spec(name)).is_some(), "{name}");
        }
        let taken = MessageSpec { data: [("email".into(), ValueKind::Text)].into(), ..spec("a") };
        assert!(error(taken).unwrap().contains("email"));
        assert!(Messages::new(&[spec("a"), spec("a")], &Categories::default()).is_err());
    }

    #[test]
    fn i2_no_value_decides_where_a_button_leads() {
        let messages = Messages::new(&[spec("a")], &Categories::default()).unwrap();
        let own = messages.find("a").unwrap();
        let link = own.link("https://id.example.com", &values(&json!({"order": "../../@evil?x#y/é", "parcels": 2})));
        assert_eq!(link.unwrap(), "https://shop.example.com/orders/%2E%2E%2F%2E%2E%2F%40evil%3Fx%23y%2F%C3%A9?n=2");
        for text in ["", ".", ".."] {
            let wrong = own.check(&values(&json!({"order": text, "parcels": 2})));
            assert_eq!(wrong.len(), 1, "`{text}` is a step in a path");
        }
        let here =
            Messages::new(&[MessageSpec { link: "/account".into(), ..spec("a") }], &Categories::default()).unwrap();
        let link = here.find("a").unwrap().link("https://id.example.com", &Map::new());
        assert_eq!(link.as_deref(), Some("https://id.example.com/account"));
        for link in [
            "javascript:alert(1)",
            "http://shop.example.com/",
            "//evil.example",
            "https://{order}.example.com/",
            "https:///x",
            "https://user@evil.example/",
            "https://shop.example.com/{nobody}",
            "https://shop.example.com/a b",
            "data:text/html,x",
            "shop.example.com",
        ] {
            assert!(error(MessageSpec { link: link.into(), ..spec("a") }).is_some(), "{link}");
        }
    }
}
