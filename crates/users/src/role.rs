//! The names of roles.

use std::collections::BTreeSet;

use crate::account::USER;

/// How many roles an account may have: all of them stand in every token and in a header.
const MAX_ROLES: usize = 32;
/// The longest name, in bytes.
const MAX_LENGTH: usize = 64;

/// The roles of one account: each 1 to 64 of `a`–`z`, `0`–`9`, `:`, `_` and `-`, and `user` always
/// among them. A name has no comma and no space, so a list of them can be joined by either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles(BTreeSet<String>);

/// Not roles that an account can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoles {
    /// A name has other characters, or none, or too many.
    #[error("The name of a role is 1 to 64 lowercase letters, digits, colons, underscores and hyphens.")]
    Name,
    /// More than 32.
    #[error("An account can have at most 32 roles.")]
    TooMany,
}

impl Roles {
    /// Reads a list of names. One that stands twice counts once; `user` is added.
    pub fn parse(names: &[String]) -> Result<Self, InvalidRoles> {
        if !names.iter().all(|name| is_name(name)) {
            return Err(InvalidRoles::Name);
        }
        let roles: BTreeSet<String> = names.iter().cloned().chain([USER.to_owned()]).collect();
        if roles.len() > MAX_ROLES { Err(InvalidRoles::TooMany) } else { Ok(Self(roles)) }
    }

    /// The names, in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether this one is among them.
    pub(crate) fn contains(&self, role: &str) -> bool {
        self.0.contains(role)
    }
}

/// Whether a role can be called this.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b":_-".contains(&byte);
    (1..=MAX_LENGTH).contains(&name.len()) && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(names: &[&str]) -> Result<Vec<String>, InvalidRoles> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Roles::parse(&names).map(|roles| roles.names().map(str::to_owned).collect())
    }

    #[test]
    fn everybody_stays_a_user_and_nothing_counts_twice() {
        assert_eq!(parse(&[]).unwrap(), ["user"]);
        assert_eq!(parse(&["quiz:player", "admin", "admin"]).unwrap(), ["admin", "quiz:player", "user"]);
    }

    #[test]
    fn names_are_plain_and_bounded() {
        assert!(parse(&["a".repeat(64).as_str()]).is_ok());
        for wrong in ["", "Admin", "a,b", "a b", "ünder", "a\n", "admin\0", "a".repeat(65).as_str()] {
            assert_eq!(parse(&[wrong]), Err(InvalidRoles::Name), "{wrong:?}");
        }
        let many: Vec<String> = (0..32).map(|number| format!("r{number}")).collect();
        assert_eq!(Roles::parse(&many), Err(InvalidRoles::TooMany));
        assert!(Roles::parse(&many[1..]).is_ok());
    }
}
