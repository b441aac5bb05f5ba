//! What a role is made of, each part read once: its name, what it says of itself, its own permissions, and
//! the roles that it includes.

use std::collections::BTreeSet;

use kernel::permission;

use crate::name::turns_or_breaks;
use crate::role::{InvalidRoles, is_name};

/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 200;
/// How many permissions of its own a role may have.
pub const MAX_MEMBERS: usize = 200;
/// How many others a role may include.
pub const MAX_INCLUDES: usize = 20;

/// The name of one role: 1 to 64 of `a`–`z`, `0`–`9`, `:`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoleName(String);

impl RoleName {
    /// Reads a name.
    pub fn parse(name: &str) -> Result<Self, InvalidRoles> {
        if is_name(name) { Ok(Self(name.to_owned())) } else { Err(InvalidRoles::Name) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a role is for, in people's words: at most 200 characters, on one line. It may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleDescription(String);

/// Not a description that a role can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDescription {
    /// More than 200 characters.
    #[error("Use at most 200 characters for the description.")]
    TooLong,
    /// Line breaks, or characters that turn the direction of what follows.
    #[error("Remove line breaks and invisible characters from the description.")]
    Control,
}

impl RoleDescription {
    /// Reads a description as somebody typed it.
    pub fn parse(typed: &str) -> Result<Self, InvalidDescription> {
        let text = typed.trim();
        if text.chars().count() > MAX_DESCRIPTION {
            return Err(InvalidDescription::TooLong);
        }
        if text.chars().any(turns_or_breaks) {
            return Err(InvalidDescription::Control);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The permissions that a role names itself. `*` is never among them: only the built-in role `admin` has it,
/// and nobody changes that one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnPermissions(BTreeSet<String>);

/// Not permissions that a role can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPermissions {
    /// One is not the name of a permission.
    #[error(transparent)]
    Name(#[from] permission::InvalidPermission),
    /// More than 200.
    #[error("A role can name at most 200 permissions: put some into a role that it includes.")]
    TooMany,
}

impl OwnPermissions {
    /// Reads a list of names. One that stands twice counts once.
    pub fn parse(names: &[String]) -> Result<Self, InvalidPermissions> {
        for name in names {
            permission::check_name(name)?;
        }
        let names: BTreeSet<String> = names.iter().cloned().collect();
        if names.len() > MAX_MEMBERS { Err(InvalidPermissions::TooMany) } else { Ok(Self(names)) }
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The roles that a role includes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Includes(BTreeSet<String>);

/// Not roles that a role can include.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIncludes {
    /// One is not the name of a role.
    #[error("{}", InvalidRoles::Name)]
    Name,
    /// `admin`: whoever may do everything has that very role, so that they can be found and counted.
    #[error("`admin` cannot be included: give it to people themselves.")]
    Administrator,
    /// More than 20.
    #[error("A role can include at most 20 others.")]
    TooMany,
}

impl Includes {
    /// Reads a list of names. One that stands twice counts once.
    pub fn parse(names: &[String]) -> Result<Self, InvalidIncludes> {
        if !names.iter().all(|name| is_name(name)) {
            return Err(InvalidIncludes::Name);
        }
        if names.iter().any(|name| name == crate::account::ADMIN) {
            return Err(InvalidIncludes::Administrator);
        }
        let names: BTreeSet<String> = names.iter().cloned().collect();
        if names.len() > MAX_INCLUDES { Err(InvalidIncludes::TooMany) } else { Ok(Self(names)) }
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_description_is_one_bounded_line() {
        assert_eq!(RoleDescription::parse("  Writes quizzes ").unwrap().as_str(), "Writes quizzes");
        assert!(RoleDescription::parse("").is_ok() && RoleDescription::parse(&"é".repeat(200)).is_ok());
        assert_eq!(RoleDescription::parse(&"é".repeat(201)), Err(InvalidDescription::TooLong));
        for wrong in ["a\nb", "a\u{202e}b", "a\0b"] {
            assert_eq!(RoleDescription::parse(wrong), Err(InvalidDescription::Control), "{wrong:?}");
        }
    }

    #[test]
    fn no_role_names_everything_and_none_includes_admin() {
        assert!(OwnPermissions::parse(&owned(&["*"])).is_err() && OwnPermissions::parse(&owned(&["users"])).is_err());
        assert_eq!(Includes::parse(&owned(&["user", "admin"])), Err(InvalidIncludes::Administrator));
        assert_eq!(Includes::parse(&owned(&["Support"])), Err(InvalidIncludes::Name));
    }

    #[test]
    fn lists_are_bounded_and_nothing_counts_twice() {
        let many = |count: usize, area: &str| (0..count).map(|n| format!("{area}{n}")).collect::<Vec<String>>();
        assert!(OwnPermissions::parse(&many(200, "quiz:a")).is_ok() && Includes::parse(&many(20, "a")).is_ok());
        assert_eq!(OwnPermissions::parse(&many(201, "quiz:a")), Err(InvalidPermissions::TooMany));
        assert_eq!(Includes::parse(&many(21, "a")), Err(InvalidIncludes::TooMany));
        let twice = OwnPermissions::parse(&owned(&["b:b", "a:a", "b:b"])).unwrap();
        assert_eq!(twice.names().collect::<Vec<&str>>(), ["a:a", "b:b"]);
    }
}
