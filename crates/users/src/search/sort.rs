//! The orders that a list can have. Each ends in the id, so that no two accounts are at the same place.

use kernel::{Timestamp, UserId};

use super::statement::{Statement, Value};

/// What a list of accounts is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The oldest first.
    CreatedAt,
    /// The newest first.
    #[default]
    CreatedAtDescending,
    /// By address, as it is compared.
    Email,
    /// By name, as it is compared; those without one last.
    Name,
    /// Whoever did not sign in for the longest time first; those who never did last.
    LastLoginAt,
}

impl Sort {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::CreatedAt, Self::CreatedAtDescending, Self::Email, Self::Name, Self::LastLoginAt];

    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::CreatedAtDescending => "-created_at",
            Self::Email => "email",
            Self::Name => "name",
            Self::LastLoginAt => "last_login_at",
        }
    }

    /// The order of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == name)
    }
}

/// The order in which rows are gone through: the one of a list, or by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    By(Sort),
    Id,
}

/// A place in an order: behind the row that has this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: Key,
    pub(super) id: UserId,
}

/// What an order compares before the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Nothing, or the lack of it, which comes last.
    Nothing,
    Time(Timestamp),
    Text(String),
}

impl Key {
    fn value(&self) -> Option<Value> {
        match self {
            Self::Nothing => None,
            Self::Time(moment) => Some(Value::Time(*moment)),
            Self::Text(text) => Some(Value::Text(text.clone())),
        }
    }
}

/// A stretch of an order that one index goes through from end to end: the rows that have what it compares, and
/// then those that do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    order: Order,
    without_key: bool,
}

impl Order {
    /// Where a list begins, and where one goes on behind this place.
    pub(super) fn stretch_of(self, place: Option<&Place>) -> Stretch {
        let without_key = self.has_gaps() && place.is_some_and(|place| place.key == Key::Nothing);
        Stretch { order: self, without_key }
    }

    /// Whether rows may lack what it compares.
    const fn has_gaps(self) -> bool {
        match self {
            Self::By(Sort::Name | Sort::LastLoginAt) => true,
            Self::By(Sort::CreatedAt | Sort::CreatedAtDescending | Sort::Email) | Self::Id => false,
        }
    }

    /// The `ORDER BY` of all its rows.
    pub(super) const fn clause(self) -> &'static str {
        match self {
            Self::By(Sort::CreatedAt) => "ORDER BY created_at, id",
            Self::By(Sort::CreatedAtDescending) => "ORDER BY created_at DESC, id DESC",
            Self::By(Sort::Email) => "ORDER BY email_canonical",
            Self::By(Sort::Name) => "ORDER BY name_folded IS NULL, name_folded, id",
            Self::By(Sort::LastLoginAt) => "ORDER BY last_login_at IS NULL, last_login_at, id",
            Self::Id => "ORDER BY id",
        }
    }

    /// The condition that a row comes behind this place, wherever that is.
    pub(super) fn behind(self, place: &Place, statement: Statement) -> Statement {
        let stretch = self.stretch_of(Some(place));
        if !self.has_gaps() || stretch.without_key {
            return stretch.behind(place, stretch.only(statement));
        }
        let statement = stretch.behind(place, statement.and("AND ((true"));
        match self {
            Self::By(Sort::Name) => statement.and(") OR name_folded IS NULL)"),
            _ => statement.and(") OR last_login_at IS NULL)"),
        }
    }
}

impl Stretch {
    /// What comes after this stretch.
    pub(super) fn next(self) -> Option<Self> {
        (self.order.has_gaps() && !self.without_key).then_some(Self { without_key: true, ..self })
    }

    /// The condition that a row is in it.
    pub(super) fn only(self, statement: Statement) -> Statement {
        match (self.order, self.without_key) {
            (Order::By(Sort::Name), false) => statement.and("AND name_folded IS NOT NULL"),
            (Order::By(Sort::Name), true) => statement.and("AND name_folded IS NULL"),
            (Order::By(Sort::LastLoginAt), false) => statement.and("AND last_login_at IS NOT NULL"),
            (Order::By(Sort::LastLoginAt), true) => statement.and("AND last_login_at IS NULL"),
            (Order::By(Sort::CreatedAt | Sort::CreatedAtDescending | Sort::Email) | Order::Id, _) => statement,
        }
    }

    /// The condition that a row of it comes behind this place.
    pub(super) fn behind(self, place: &Place, statement: Statement) -> Statement {
        let words = match (self.order, self.without_key) {
            (Order::By(Sort::CreatedAt), _) => "AND (created_at, id) > (",
            (Order::By(Sort::CreatedAtDescending), _) => "AND (created_at, id) < (",
            (Order::By(Sort::Email), _) => "AND email_canonical > (",
            (Order::By(Sort::Name), false) => "AND (name_folded, id) > (",
            (Order::By(Sort::LastLoginAt), false) => "AND (last_login_at, id) > (",
            (Order::By(Sort::Name | Sort::LastLoginAt), true) | (Order::Id, _) => "AND id > (",
        };
        self.compared(place, statement.and(words))
    }

    /// The condition that a row of it comes no later than this place.
    pub(super) fn up_to(self, place: &Place, statement: Statement) -> Statement {
        let words = match (self.order, self.without_key) {
            (Order::By(Sort::CreatedAt), _) => "AND (created_at, id) <= (",
            (Order::By(Sort::CreatedAtDescending), _) => "AND (created_at, id) >= (",
            (Order::By(Sort::Email), _) => "AND email_canonical <= (",
            (Order::By(Sort::Name), false) => "AND (name_folded, id) <= (",
            (Order::By(Sort::LastLoginAt), false) => "AND (last_login_at, id) <= (",
            (Order::By(Sort::Name | Sort::LastLoginAt), true) | (Order::Id, _) => "AND id <= (",
        };
        self.compared(place, statement.and(words))
    }

    fn compared(self, place: &Place, statement: Statement) -> Statement {
        let key = if self.without_key { None } else { place.key.value() };
        let id = Value::Id(place.id);
        match (self.order, key) {
            // An address is nobody else's: there is no need to compare further.
            (Order::By(Sort::Email), Some(key)) => statement.value(key).and(")"),
            (_, Some(key)) => statement.value(key).and(",").value(id).and(")"),
            (_, None) => statement.value(id).and(")"),
        }
    }

    /// The `ORDER BY` inside of it.
    pub(super) const fn clause(self) -> &'static str {
        match (self.order, self.without_key) {
            (Order::By(Sort::Name), false) => "ORDER BY name_folded, id",
            (Order::By(Sort::LastLoginAt), false) => "ORDER BY last_login_at, id",
            (Order::By(Sort::Name | Sort::LastLoginAt), true) => "ORDER BY id",
            (order, _) => order.clause(),
        }
    }

    /// The columns of a place in it, as `moment`, `words` and `id`.
    pub(super) const fn place_columns(self) -> &'static str {
        match (self.order, self.without_key) {
            (Order::By(Sort::CreatedAt | Sort::CreatedAtDescending), _) => "created_at AS moment, NULL AS words, id",
            (Order::By(Sort::Email), _) => "NULL AS moment, email_canonical AS words, id",
            (Order::By(Sort::Name), false) => "NULL AS moment, name_folded AS words, id",
            (Order::By(Sort::LastLoginAt), false) => "last_login_at AS moment, NULL AS words, id",
            (Order::By(Sort::Name | Sort::LastLoginAt), true) | (Order::Id, _) => "NULL AS moment, NULL AS words, id",
        }
    }
}
