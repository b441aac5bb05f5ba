//! The permissions that Usher itself asks for. An application's own (`quiz:author`) are only in the
//! database: whatever a role names exists.

use kernel::Permissions;

/// List, search and read accounts.
pub const USERS_READ: &str = "users:read";
/// Make and change accounts, unlock them and bring deleted ones back.
pub const USERS_WRITE: &str = "users:write";
/// Suspend accounts, lift suspensions and end sessions.
pub const USERS_BAN: &str = "users:ban";
/// Delete accounts; they can come back for 30 days.
pub const USERS_DELETE: &str = "users:delete";
/// Destroy what an account says of a person, for good.
pub const USERS_ERASE: &str = "users:erase";
/// Take accounts away in a file.
pub const USERS_EXPORT: &str = "users:export";
/// Read roles and what they come to.
pub const ROLES_READ: &str = "roles:read";
/// Make, change and delete roles.
pub const ROLES_WRITE: &str = "roles:write";
/// Give roles to accounts and take them away.
pub const ROLES_GRANT: &str = "roles:grant";
/// Read what happened.
pub const AUDIT_READ: &str = "audit:read";
/// See the gateway's routes and its traffic.
pub const GATEWAY_READ: &str = "gateway:read";
/// See the signing keys.
pub const KEYS_READ: &str = "keys:read";
/// Rotate and withdraw signing keys.
pub const KEYS_WRITE: &str = "keys:write";
/// See what people are told, and what became of it.
pub const NOTIFICATIONS_READ: &str = "notifications:read";
/// Have it told again.
pub const NOTIFICATIONS_WRITE: &str = "notifications:write";
/// See which addresses are told what happens, and what became of it.
pub const WEBHOOKS_READ: &str = "webhooks:read";
/// Register, change and remove them.
pub const WEBHOOKS_WRITE: &str = "webhooks:write";
/// Have something told to people, in the name of an application.
pub const NOTIFICATIONS_SEND: &str = "notifications:send";
/// See how Usher is set up.
pub const SETTINGS_READ: &str = "settings:read";

/// All of them, each with what it allows, in the order in which people are shown them.
pub const ALL: [(&str, &str); 19] = [
    (USERS_READ, "List, search and read accounts"),
    (USERS_WRITE, "Make and change accounts, unlock them, bring deleted ones back"),
    (USERS_BAN, "Suspend accounts, lift suspensions, end sessions"),
    (USERS_DELETE, "Delete accounts; they can come back for 30 days"),
    (USERS_ERASE, "Destroy a person's data for good"),
    (USERS_EXPORT, "Take accounts away in a file"),
    (ROLES_READ, "Read roles and what they come to"),
    (ROLES_WRITE, "Make, change and delete roles"),
    (ROLES_GRANT, "Give roles to accounts and take them away"),
    (AUDIT_READ, "Read what happened"),
    (GATEWAY_READ, "See routes and their traffic"),
    (KEYS_READ, "See the signing keys"),
    (KEYS_WRITE, "Rotate and withdraw signing keys"),
    (NOTIFICATIONS_READ, "See what people are told, and what became of it"),
    (NOTIFICATIONS_WRITE, "Have it told again"),
    (WEBHOOKS_READ, "See which addresses are told what happens"),
    (WEBHOOKS_WRITE, "Register, change and remove such addresses"),
    (NOTIFICATIONS_SEND, "Have messages told to people"),
    (SETTINGS_READ, "See how Usher is set up"),
];

/// Whether somebody with these permissions looks after other people or Usher itself. An application's own permissions
/// do not make an officer of anybody.
pub fn looks_after_anything(permissions: &Permissions) -> bool {
    ALL.iter().any(|(name, _)| permissions.has(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_officer_has_a_permission_of_ushers() {
        for (names, expected) in [
            (vec!["*"], true),
            (vec!["users:read"], true),
            (vec!["quiz:author", "settings:read"], true),
            (vec!["quiz:author", "users:play"], false),
            (vec![], false),
        ] {
            assert_eq!(looks_after_anything(&Permissions::of(names.clone())), expected, "{names:?}");
        }
    }

    #[test]
    fn every_name_is_one() {
        for (name, _) in ALL {
            assert!(kernel::permission::check_name(name).is_ok(), "{name}");
        }
    }
}
