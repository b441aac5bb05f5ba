//! The attributes of the configuration, as fields of a form: the account page and the console have the same.

use std::collections::BTreeMap;

use kernel::FieldError;
use serde_json::Value;
use users::personal::{AttributeKind, AttributeValue};
use users::{AttributeSchema, AttributeSpec, Change, Party, PersonalData};

use crate::form::Fields;

/// How a value is put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// On one line.
    Line,
    /// On several.
    Lines,
    /// A whole number. (No `type="number"`: browsers count in doubles, and a number here has 64 bits.)
    Number,
    /// A day.
    Day,
    /// One of a few, each with its words.
    Choice(Vec<(String, String)>),
}

/// One attribute that can be changed.
#[derive(Clone, Debug)]
pub struct Field {
    /// The field's name and id; also what a mistake in it is called.
    pub id: String,
    /// Its words.
    pub label: String,
    /// How it is put in.
    pub control: Control,
    /// What it has to be, where that is worth saying; empty where it is not.
    pub hint: String,
    /// What stands in it.
    pub value: String,
    name: String,
    kind: AttributeKind,
    most: usize,
}

/// One that can only be looked at.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Its words.
    pub label: String,
    /// What it is.
    pub value: String,
}

/// What somebody sees of an account's attributes.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// Those that they may change.
    pub fields: Vec<Field>,
    /// The others that are set.
    pub facts: Vec<Fact>,
}

impl Attributes {
    /// As they are, for `party`.
    pub fn current(schema: &AttributeSchema, personal: &PersonalData, party: Party) -> Self {
        let mut all = Self::default();
        for spec in schema.all().filter(|spec| spec.read.contains(&party)) {
            let value = personal.attributes.get(&spec.name).map(text_of).unwrap_or_default();
            if spec.write.contains(&party) {
                all.fields.push(Field::new(spec, value));
            } else if !value.is_empty() {
                let value = if spec.kind == AttributeKind::Boolean { yes_or_no(&value) } else { value };
                all.facts.push(Fact { label: words(&spec.name), value });
            }
        }
        all
    }

    /// The same with what was typed. What the form does not have stays as it is, and what may not be
    /// changed is in no form, so it is not looked for.
    #[must_use]
    pub fn typed(mut self, form: &Fields) -> Self {
        for field in self.fields.iter_mut().filter(|field| form.is_ticked(&field.id)) {
            let typed = form.text(&field.id);
            field.value = match field.control {
                Control::Choice(_) => typed.to_owned(),
                // A browser sends the end of a line as two characters; kept is one.
                Control::Line | Control::Lines | Control::Number | Control::Day => typed.trim().replace("\r\n", "\n"),
            };
        }
        self
    }

    /// What differs from `before`; what is wrong with it, if something is. A value that the configuration
    /// does not allow any more stays, as long as nobody touches it.
    pub fn change(
        &self,
        before: &Self,
        schema: &AttributeSchema,
        party: Party,
    ) -> Result<BTreeMap<String, Change<AttributeValue>>, Vec<FieldError>> {
        let was = |name: &str| before.fields.iter().find(|field| field.name == name).map(|field| field.value.as_str());
        let touched: Vec<&Field> =
            self.fields.iter().filter(|field| was(&field.name) != Some(field.value.as_str())).collect();
        let wanted = touched.iter().map(|field| (field.name.clone(), field.json())).collect();
        schema.parse(wanted, party).map_err(|wrong| {
            let advice = |error: &FieldError| {
                touched
                    .iter()
                    .find(|field| field.id == error.field)
                    .map_or_else(|| error.message.to_string(), |field| field.advice())
            };
            wrong.iter().map(|error| FieldError::new(error.field.to_string(), error.code, advice(error))).collect()
        })
    }
}

impl Field {
    fn new(spec: &AttributeSpec, value: String) -> Self {
        let most = spec.most_characters();
        let control = match spec.kind {
            // An input of one line would lose the ends of lines that are there.
            AttributeKind::String if most > 200 || value.contains('\n') => Control::Lines,
            AttributeKind::String => Control::Line,
            AttributeKind::Integer => Control::Number,
            AttributeKind::Date => Control::Day,
            AttributeKind::Boolean => {
                Control::Choice(["true", "false"].map(|value| (value.to_owned(), yes_or_no(value))).to_vec())
            }
            AttributeKind::Enum => {
                let gone = (!value.is_empty() && !spec.values.contains(&value)).then_some(&value);
                Control::Choice(
                    gone.into_iter().chain(&spec.values).map(|value| (value.clone(), value.clone())).collect(),
                )
            }
        };
        let hint = match &control {
            Control::Line | Control::Lines => format!("At most {most} characters."),
            Control::Number => "A whole number.".to_owned(),
            Control::Day | Control::Choice(_) => String::new(),
        };
        Self {
            id: format!("attributes.{}", spec.name),
            label: words(&spec.name),
            control,
            hint,
            value,
            name: spec.name.clone(),
            kind: spec.kind,
            most,
        }
    }

    /// What stands in the field, as a call would send it. What cannot be is left a text, and refused as one.
    fn json(&self) -> Value {
        if self.value.is_empty() {
            return Value::Null;
        }
        let text = || Value::String(self.value.clone());
        match (self.kind, self.value.as_str()) {
            (AttributeKind::Integer, typed) => typed.parse::<i64>().map_or_else(|_| text(), Value::from),
            (AttributeKind::Boolean, "true") => Value::Bool(true),
            (AttributeKind::Boolean, "false") => Value::Bool(false),
            (AttributeKind::Boolean | AttributeKind::String | AttributeKind::Date | AttributeKind::Enum, _) => text(),
        }
    }

    fn advice(&self) -> String {
        match self.kind {
            AttributeKind::String => format!("Use at most {} characters, none of them invisible.", self.most),
            AttributeKind::Integer => "Use a whole number, like 42.".to_owned(),
            AttributeKind::Boolean => "Choose yes or no.".to_owned(),
            AttributeKind::Date => "Use a day like 2026-11-28.".to_owned(),
            AttributeKind::Enum => "Choose one of those in the list.".to_owned(),
        }
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn yes_or_no(value: &str) -> String {
    if value == "true" { "Yes" } else { "No" }.to_owned()
}

/// A name as words: `shirt_size` is "Shirt size".
fn words(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).map(|letter| if letter == '_' { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> AttributeSchema {
        let specs: Vec<AttributeSpec> = serde_json::from_value(json!([
            {"name": "shirt_size", "type": "enum", "values": ["S", "M"], "write": ["self"]},
            {"name": "team", "type": "string", "max_length": 5, "write": ["self", "officers"]},
            {"name": "plan", "type": "enum", "values": ["free", "paid"], "write": ["officers"]},
            {"name": "visits", "type": "integer", "write": ["self"]},
            {"name": "news", "type": "boolean", "write": ["self"]},
            {"name": "risk", "type": "integer", "read": ["officers"], "write": ["officers"]},
        ]))
        .unwrap();
        AttributeSchema::new(&specs).unwrap()
    }

    fn now(party: Party) -> Attributes {
        let attributes =
            json!({"shirt_size": "XL", "team": "a\nb", "plan": "paid", "visits": 9_007_199_254_740_993_i64, "risk": 7});
        let attributes = serde_json::from_value(attributes).unwrap();
        Attributes::current(&schema(), &PersonalData { attributes, ..PersonalData::default() }, party)
    }

    fn change(typed: &str, party: Party) -> Result<BTreeMap<String, Change<AttributeValue>>, Vec<FieldError>> {
        let before = now(party);
        before.clone().typed(&Fields::of_query(typed).unwrap()).change(&before, &schema(), party)
    }

    #[test]
    fn each_party_has_fields_for_what_it_may_write_and_facts_for_what_it_may_only_read() {
        let names = |party| {
            let all = now(party);
            let fields: Vec<String> = all.fields.into_iter().map(|field| field.label).collect();
            let facts: Vec<(String, String)> = all.facts.into_iter().map(|fact| (fact.label, fact.value)).collect();
            (fields, facts)
        };
        let (fields, facts) = names(Party::Owner);
        assert_eq!(fields, ["News", "Shirt size", "Team", "Visits"]);
        assert_eq!(facts, [("Plan".to_owned(), "paid".to_owned())]);
        let (fields, facts) = names(Party::Officers);
        assert_eq!(fields, ["Plan", "Risk", "Team"]);
        assert_eq!(facts.len(), 2, "what is not set is not shown: {facts:?}");
    }

    #[test]
    fn what_nobody_touched_stays_and_what_nobody_may_write_is_not_looked_for() {
        let same =
            "attributes.shirt_size=XL&attributes.team=a%0D%0Ab&attributes.visits=9007199254740993&attributes.news=";
        assert!(change(same, Party::Owner).unwrap().is_empty(), "a value that went out of the list stays, too");
        let theirs = "attributes.plan=free&attributes.risk=1&attributes.none=1";
        assert!(change(theirs, Party::Owner).unwrap().is_empty());
        let changed = change("attributes.news=false&attributes.visits=&attributes.shirt_size=M", Party::Owner).unwrap();
        let set: Vec<(&str, bool)> = changed.iter().map(|(name, to)| (name.as_str(), *to == Change::Clear)).collect();
        assert_eq!(set, [("news", false), ("shirt_size", false), ("visits", true)]);
    }

    #[test]
    fn i3_what_cannot_be_is_told_at_its_field() {
        for (typed, field, advice) in [
            ("attributes.shirt_size=L", "attributes.shirt_size", "Choose one of those"),
            ("attributes.team=abcdef", "attributes.team", "Use at most 5 characters"),
            ("attributes.team=a%E2%80%AEb", "attributes.team", "Use at most 5 characters"),
            ("attributes.visits=9223372036854775808", "attributes.visits", "Use a whole number"),
            ("attributes.visits=1e3", "attributes.visits", "Use a whole number"),
            ("attributes.news=maybe", "attributes.news", "Choose yes or no"),
        ] {
            let wrong = change(typed, Party::Owner).unwrap_err();
            assert!(
                wrong.len() == 1 && wrong[0].field == field && wrong[0].message.starts_with(advice),
                "{typed} {wrong:?}"
            );
        }
    }
}
