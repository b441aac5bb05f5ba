//! What accounts somebody wants to see, read from what they typed, and written down again for a link.

use kernel::{FieldError, Timestamp};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as Unreadable, StrDeserializer};

use super::raw::{LOOKUP, RawFilter, TYPED};
use super::sort::{Order, Sort};
use super::statement::{Statement, Value};
use super::text_search::SearchText;
use crate::Users;
use crate::account::Status;
use crate::personal::{Lookup, PHONE_NUMBER};
use crate::role::is_name;

/// Which accounts. Every part that is there has to be true of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What stands in the name or the address.
    pub text: Option<SearchText>,
    /// A role that they have.
    pub role: Option<String>,
    /// Their status; without it, everything but deleted.
    pub status: Option<Status>,
    /// Whether the address is verified.
    pub verified: Option<bool>,
    /// Made at this moment or later.
    pub created_after: Option<Timestamp>,
    /// Made before this moment.
    pub created_before: Option<Timestamp>,
    /// Signed in at this moment or later.
    pub last_login_after: Option<Timestamp>,
    /// What attributes are, the telephone number among them.
    pub lookups: Vec<Lookup>,
}

/// How many attributes a filter may ask for.
const MAX_LOOKUPS: usize = 4;

impl Filter {
    /// Reads what somebody typed; all that is wrong with it, if something is.
    pub fn parse(users: &Users, raw: &RawFilter) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let filter = Self {
            text: read(raw.q.as_deref(), &mut errors, |typed| {
                SearchText::parse(typed).map_err(|error| FieldError::new("q", "invalid_search", error.to_string()))
            })
            .flatten(),
            role: read(raw.role.as_deref(), &mut errors, |typed| {
                let hint = "Use the name of a role: a to z, 0 to 9, `:`, `_`, `-`.";
                if is_name(typed) { Ok(typed.to_owned()) } else { Err(FieldError::new("role", "invalid_role", hint)) }
            }),
            status: read(raw.status.as_deref(), &mut errors, |typed| {
                let hint = "Use active, suspended or deleted.";
                Status::parse(typed).ok_or_else(|| FieldError::new("status", "invalid_status", hint))
            }),
            verified: read(raw.verified.as_deref(), &mut errors, |typed| match typed {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(FieldError::new("verified", "invalid_boolean", "Use true or false.")),
            }),
            created_after: read(raw.created_after.as_deref(), &mut errors, |typed| moment("created_after", typed)),
            created_before: read(raw.created_before.as_deref(), &mut errors, |typed| moment("created_before", typed)),
            last_login_after: read(raw.last_login_after.as_deref(), &mut errors, |typed| {
                moment("last_login_after", typed)
            }),
            lookups: lookups(users, raw, &mut errors),
        };
        if errors.is_empty() { Ok(filter) } else { Err(errors) }
    }

    /// The same filter as it can be typed. What attributes are is not told again, only what they are looked up by.
    pub fn to_raw(&self) -> RawFilter {
        RawFilter {
            q: self.text.as_ref().map(|text| text.typed().to_owned()),
            role: self.role.clone(),
            status: self.status.map(|status| status.as_str().to_owned()),
            verified: self.verified.map(|verified| verified.to_string()),
            created_after: self.created_after.map(|moment| moment.to_string()),
            created_before: self.created_before.map(|moment| moment.to_string()),
            last_login_after: self.last_login_after.map(|moment| moment.to_string()),
            phone: None,
            attributes: self
                .lookups
                .iter()
                .map(|lookup| (format!("{LOOKUP}{}", lookup.name()), lookup.to_text()))
                .collect(),
        }
    }

    /// Adds that a row of `users` is one of them. It is asked of each row by itself: written so that no planner takes
    /// it for a reason to begin elsewhere.
    pub(super) fn conditions(&self, statement: Statement) -> Statement {
        let statement = match self.status {
            None => statement.and("AND status <> 'deleted'"),
            Some(status) => {
                statement.and("AND (status =").value(Value::Text(status.as_str().to_owned())).and(") IS TRUE")
            }
        };
        let statement = match self.verified {
            None => statement,
            // Written so that SQLite does not begin with the index of it, which has no order.
            Some(verified) => statement.and("AND (email_verified =").value(Value::Boolean(verified)).and(") IS TRUE"),
        };
        let statement = self.moments(statement);
        let statement = match &self.text {
            None => statement,
            Some(text) => {
                let pattern = || Value::Text(text.pattern());
                let statement = statement.and("AND (email_canonical LIKE").value(pattern());
                statement.and("ESCAPE '\\' OR name_folded LIKE").value(pattern()).and("ESCAPE '\\')")
            }
        };
        let statement = self.lookups.iter().fold(statement, |statement, lookup| {
            let statement = statement.and("AND (SELECT COUNT(*) FROM user_attributes WHERE user_id = users.id AND");
            is_looked_up(lookup, statement).and(") > 0")
        });
        match &self.role {
            None => statement,
            // A count is asked for each row; as EXISTS, a planner may begin with everybody who has the role.
            Some(role) => statement
                .and("AND (SELECT COUNT(*) FROM user_roles WHERE user_id = users.id AND role =")
                .value(Value::Text(role.clone()))
                .and(") > 0"),
        }
    }

    /// The part of the conditions that is about moments.
    fn moments(&self, statement: Statement) -> Statement {
        let parts = [
            ("AND (created_at >=", self.created_after),
            ("AND (created_at <", self.created_before),
            ("AND (last_login_at >=", self.last_login_after),
        ];
        parts.into_iter().fold(statement, |statement, (words, moment)| match moment {
            None => statement,
            Some(moment) => statement.and(words).value(Value::Time(moment)).and(") IS TRUE"),
        })
    }

    /// Adds what an index of the order itself knows of the filter: only that part of the order is walked. A side that
    /// is bounded by a place already has no other bound, for SQLite uses one of two, and not always the closer one.
    pub(super) fn ground(&self, order: Order, begun: bool, ended: bool, statement: Statement) -> Statement {
        let statement = match self.status {
            Some(status @ (Status::Suspended | Status::Deleted)) => {
                statement.and("AND status <> 'active' AND status =").value(Value::Text(status.as_str().to_owned()))
            }
            Some(Status::Active) | None => statement,
        };
        let (from, to) = (("AND created_at >=", self.created_after), ("AND created_at <", self.created_before));
        let signed_in = ("AND last_login_at >=", self.last_login_after);
        let (near, far) = match order {
            Order::By(Sort::CreatedAt) => (Some(from), Some(to)),
            Order::By(Sort::CreatedAtDescending) => (Some(to), Some(from)),
            Order::By(Sort::LastLoginAt) => (Some(signed_in), None),
            Order::By(Sort::Email | Sort::Name) | Order::Id => (None, None),
        };
        let bounds = [near.filter(|_| !begun), far.filter(|_| !ended)];
        bounds.into_iter().flatten().fold(statement, |statement, (words, moment)| match moment {
            None => statement,
            Some(moment) => statement.and(words).value(Value::Time(moment)),
        })
    }
}

/// The condition that a row of `user_attributes` is what is looked for.
pub(super) fn is_looked_up(lookup: &Lookup, statement: Statement) -> Statement {
    let statement = statement.and("name =").value(Value::Text(lookup.name().to_owned())).and("AND lookup IN (NULL");
    let tags = lookup.tags().iter();
    tags.fold(statement, |statement, tag| statement.and(",").value(Value::Bytes(tag.clone()))).and(")")
}

/// What attributes have to be.
fn lookups(users: &Users, raw: &RawFilter, errors: &mut Vec<FieldError>) -> Vec<Lookup> {
    let phone = raw.phone.iter().map(|typed| ("phone".to_owned(), Lookup::new(users, PHONE_NUMBER, typed)));
    let attributes = raw.attributes.iter().map(|(part, text)| {
        let lookup = match part.strip_prefix(LOOKUP) {
            Some(name) => Lookup::from_text(users, name, text),
            None => Lookup::new(users, part.trim_start_matches(TYPED), text),
        };
        (part.clone(), lookup)
    });
    let mut lookups = Vec::new();
    for (part, lookup) in phone.chain(attributes) {
        match lookup {
            Ok(lookup) if lookups.len() < MAX_LOOKUPS => lookups.push(lookup),
            Ok(_) => errors.push(FieldError::new(part, "too_many", "Look for at most four attributes at once.")),
            Err(error) => errors.push(FieldError::new(part, "invalid_search", error.to_string())),
        }
    }
    lookups
}

/// Reads one part, if it is there, and keeps what is wrong with it.
fn read<T>(
    typed: Option<&str>,
    errors: &mut Vec<FieldError>,
    parse: impl FnOnce(&str) -> Result<T, FieldError>,
) -> Option<T> {
    match typed.map(parse)? {
        Ok(value) => Some(value),
        Err(error) => {
            errors.push(error);
            None
        }
    }
}

fn moment(field: &'static str, typed: &str) -> Result<Timestamp, FieldError> {
    let text: StrDeserializer<'_, Unreadable> = typed.into_deserializer();
    let hint = "Use a moment like 2026-01-31T12:00:00Z.";
    Timestamp::deserialize(text).map_err(|_| FieldError::new(field, "invalid_time", hint))
}
