//! What somebody may do: roles are named sets of permissions, and may include other roles.
//!
//! A [`RoleBook`] holds every role of a moment with the permissions it comes to, includes followed; it
//! answers in memory. The gateway's routes, the API and the pages ask the same [`RoleDirectory`], so that none of
//! them can answer otherwise than the others. Where the book comes from is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// The longest name, in bytes.
const MAX_LENGTH: usize = 64;
/// The permission that stands for all of them, an application's own and those to come included. Only the
/// built-in role `admin` has it.
pub const EVERYTHING: &str = "*";

/// Not the name of a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "A permission is named like area:action: at most 64 lowercase letters, digits, underscores and hyphens, with a colon between its words."
)]
pub struct InvalidPermission;

/// Whether this can be the name of a permission: `users:read`, `quiz:author`.
pub fn check_name(name: &str) -> Result<(), InvalidPermission> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let words: Vec<&str> = name.split(':').collect();
    let is_name = name.len() <= MAX_LENGTH
        && words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(allowed));
    if is_name { Ok(()) } else { Err(InvalidPermission) }
}

/// A set of permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// All there are and will be.
    Everything,
    /// These.
    These(BTreeSet<String>),
}

impl Default for Permissions {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Permissions {
    /// A set with these names; with `*` among them it is everything.
    pub fn of(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(Into::into).collect();
        if names.contains(EVERYTHING) { Self::Everything } else { Self::These(names) }
    }

    /// Whether this permission is in it.
    pub fn has(&self, permission: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::These(names) => names.contains(permission),
        }
    }

    /// Whether everything of the other is in it: what somebody needs to give the other away.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, _) => true,
            (Self::These(_), Self::Everything) => false,
            (Self::These(mine), Self::These(theirs)) => theirs.is_subset(mine),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Everything, _) | (_, Self::Everything) => Self::Everything,
            (Self::These(mut mine), Self::These(theirs)) => {
                mine.extend(theirs.iter().cloned());
                Self::These(mine)
            }
        }
    }

    /// Their names in alphabetical order; `*` for everything.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Everything => vec![EVERYTHING],
            Self::These(names) => names.iter().map(String::as_str).collect(),
        }
    }
}

/// A role as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleDefinition {
    /// What it is called.
    pub name: String,
    /// Its own permissions.
    pub permissions: Vec<String>,
    /// The roles whose permissions it has as well.
    pub includes: Vec<String>,
}

/// All roles of a moment, each with everything it comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleBook(BTreeMap<String, Permissions>);

impl RoleBook {
    /// Follows the includes. A role that is included and not there adds nothing; a circle, which whoever
    /// keeps the roles refuses, adds each of its roles once.
    ///
    /// It is made anew whenever somebody's permissions are asked for in a transaction, so each role looks at
    /// each include once, by number: five hundred roles that include twenty each take milliseconds.
    pub fn new(definitions: &[RoleDefinition]) -> Self {
        let numbers: BTreeMap<&str, usize> =
            definitions.iter().enumerate().map(|(number, definition)| (definition.name.as_str(), number)).collect();
        let ways_of = |definition: &RoleDefinition| {
            definition.includes.iter().filter_map(|name| numbers.get(name.as_str()).copied()).collect()
        };
        let ways: Vec<Vec<usize>> = definitions.iter().map(ways_of).collect();
        let closed = |number: usize| {
            let mut reached = vec![false; definitions.len()];
            let mut to_visit = vec![number];
            let mut names = BTreeSet::new();
            while let Some(next) = to_visit.pop() {
                if !std::mem::replace(&mut reached[next], true) {
                    names.extend(definitions[next].permissions.iter().map(String::as_str));
                    to_visit.extend(ways[next].iter().filter(|way| !reached[**way]));
                }
            }
            Permissions::of(names)
        };
        let roles = definitions.iter().enumerate();
        Self(roles.map(|(number, definition)| (definition.name.clone(), closed(number))).collect())
    }

    /// Whether nobody has told it any role yet: there is always `admin`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a role of this name.
    pub fn contains(&self, role: &str) -> bool {
        self.0.contains_key(role)
    }

    /// Every role with what it comes to, by name.
    pub fn roles(&self) -> impl Iterator<Item = (&str, &Permissions)> {
        self.0.iter().map(|(name, permissions)| (name.as_str(), permissions))
    }

    /// What these roles come to together. A role that is not in the book gives nothing.
    pub fn permissions_of<'r>(&self, roles: impl IntoIterator<Item = &'r str>) -> Permissions {
        roles.into_iter().filter_map(|role| self.0.get(role)).fold(Permissions::default(), Permissions::and)
    }

    /// Whether one of these roles has this permission: the one evaluation there is.
    pub fn allows<'r>(&self, roles: impl IntoIterator<Item = &'r str>, permission: &str) -> bool {
        roles.into_iter().filter_map(|role| self.0.get(role)).any(|permissions| permissions.has(permission))
    }
}

/// The roles as they are now, for all who ask in this process. Cheap to clone; empty, and so refusing
/// everything, until somebody sets them.
#[derive(Clone, Debug, Default)]
pub struct RoleDirectory(Arc<RwLock<Arc<RoleBook>>>);

impl RoleDirectory {
    /// The book of this moment.
    pub fn now(&self) -> Arc<RoleBook> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes this book from now on.
    pub fn set(&self, book: RoleBook) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(book);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, permissions: &[&str], includes: &[&str]) -> RoleDefinition {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        RoleDefinition { name: name.into(), permissions: owned(permissions), includes: owned(includes) }
    }

    fn book() -> RoleBook {
        RoleBook::new(&[
            role("admin", &[EVERYTHING], &[]),
            role("support", &["users:read"], &["user"]),
            role("lead", &["users:ban"], &["support", "gone"]),
            role("user", &[], &[]),
            role("one", &["a:a"], &["two"]),
            role("two", &["b:b"], &["one"]),
        ])
    }

    #[test]
    fn a_role_comes_to_its_own_and_what_it_includes() {
        let book = book();
        assert!(book.allows(["lead"], "users:read") && book.allows(["lead"], "users:ban"));
        assert!(!book.allows(["support"], "users:ban") && !book.allows(["user", "unknown"], "users:read"));
        assert!(book.allows(["user", "admin"], "anything:at-all"));
        assert_eq!(book.permissions_of(["one"]).names(), ["a:a", "b:b"]);
    }

    #[test]
    fn to_cover_is_to_have_all_of_it() {
        let book = book();
        let (admin, lead) = (book.permissions_of(["admin"]), book.permissions_of(["lead"]));
        assert!(admin.covers(&lead) && !lead.covers(&admin) && lead.covers(&lead));
        assert!(lead.covers(&Permissions::default()));
        assert!(!Permissions::default().covers(&lead));
    }

    #[test]
    fn nothing_is_allowed_before_the_book_is_there() {
        let roles = RoleDirectory::default();
        assert!(!roles.now().allows(["admin"], "users:read"));
        roles.set(book());
        assert!(roles.now().allows(["admin"], "users:read"));
    }

    #[test]
    fn names_have_an_area_and_an_action() {
        for good in ["users:read", "quiz:author", "a:b:c", "quiz-2:read_all"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for wrong in ["", "users", "users:", ":read", "*", "users:*", "Users:read", "a b:c", "a:b\n", &"a:".repeat(40)]
        {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }
}
