//! Who exists: accounts, what people call themselves, whether they may come in, and their roles.
//!
//! `account` has the SQL of the `users` and `user_roles` tables; `search` finds accounts in them.
//! Each use case is a file: `update_profile` changes what people say of themselves, `change_status` suspends, deletes and
//! brings back, `lift_suspensions` ends the suspensions that have an end, `sign_out_everywhere` and
//! `change_roles` are what else administrators do. `create_role`, `update_role` and `delete_role` say what a role
//! is; `role_record` has the SQL, and `role_keeper` keeps them in memory. `revoke` is the one function through which
//! all trust ends, here and in `auth`; what an administrator may do takes an `authority`. `history` and
//! `statistics` read what happened from the ledger: to one account, and how often by the hour. `job` does to many
//! accounts, in the background, what these do to one; `export` writes accounts to a file.
//!
//! A request comes in through `api`. This crate does not know how somebody proves who they are.

pub mod account;
pub mod api;
mod authority;
pub mod avatar;
mod change_roles;
mod change_status;
mod create_account;
mod create_role;
mod delete_own_account;
mod delete_role;
mod email;
mod erase_person;
pub mod export;
mod granting;
pub mod history;
pub mod import;
pub mod job;
mod lift_suspensions;
pub mod link;
pub mod may;
mod name;
pub mod personal;
mod profile;
mod revoke;
mod role;
mod role_keeper;
pub mod role_record;
mod role_words;
pub mod roles;
pub mod search;
mod sign_out_everywhere;
pub mod statistics;
mod suspension;
mod update_account;
mod update_profile;
mod update_role;
mod view;

use kernel::{Clock, MasterKeys, RoleDirectory};
use storage::{Blobs, Db, Migration};

pub use account::{Account, NewAccount, Status};
pub use authority::{Authority, Officer};
pub use avatar::{Busy, ChangeAvatarError, Pictures, remove_avatar, remove_avatar_of, set_avatar};
pub use change_roles::{ChangeRolesError, change_roles};
pub use change_status::{ChangeStatusError, StatusChange, change_status, change_status_in};
pub use create_account::{CreateAccountError, NewProfile, create_account, make_account};
pub use create_role::{CreateRoleError, NewRole, create_role};
pub use delete_own_account::{DeleteOwnAccountError, delete_own_account};
pub use delete_role::{DeleteRoleError, delete_role};
pub use email::{EmailAddress, InvalidEmail};
pub use erase_person::{ErasePersonError, erase_person};
pub use granting::{GrantError, may_hand};
pub use lift_suspensions::lift_expired_suspensions;
pub use name::{DisplayName, InvalidName, Locale, turns_or_breaks};
pub use personal::{
    Address, AttributeSchema, AttributeSpec, Party, PersonalChange, PersonalData, PersonalDataError, PhoneNumber,
    SaidKey, Vault,
};
pub use profile::{Avatar, Bio, InvalidAvatarUrl, InvalidPreferences, InvalidText, Preferences, TimeZoneName};
pub use revoke::{Ended, revoke, revoke_again};
pub use role::{InvalidRoles, Roles};
pub use role_keeper::RoleKeeper;
pub use role_words::{
    Includes, InvalidDescription, InvalidIncludes, InvalidPermissions, OwnPermissions, RoleDescription, RoleName,
};
pub use sign_out_everywhere::{SignOutEverywhereError, sign_out_everywhere};
pub use suspension::{InvalidEnd, InvalidReason, Reason, SuspensionEnd};
pub use update_account::{AccountChange, UpdateAccountError, update_account};
pub use update_profile::{Change, ProfileChange, UpdateProfileError, update_profile};
pub use update_role::{RoleChange, UpdateRoleError, update_role};

/// What the use cases of this crate work with. Cheap to clone.
#[derive(Clone)]
pub struct Users {
    /// Where accounts are.
    pub db: Db,
    /// What time it is.
    pub clock: Clock,
    /// What each role comes to, for whoever asks in this process.
    pub roles: RoleDirectory,
    /// Where pictures and exports are.
    pub blobs: Blobs,
    /// What pictures of people are made, kept and shown with.
    pub pictures: Pictures,
    /// What opens personal data.
    pub vault: Vault,
    /// What makes the secrets of one-time links.
    pub links: link::Links,
    /// The attributes that the configuration adds to accounts.
    pub attributes: AttributeSchema,
    /// Answers that are ready to be sent again.
    pub views: api::ReadyViews,
    /// Keeps `roles` as the database has them.
    pub role_keeper: RoleKeeper,
    /// What all who have to do with jobs share.
    pub jobs: job::Desk,
}

/// What an operator can set.
#[derive(Clone, Default)]
pub struct Settings {
    /// Where pictures and exports are kept; in memory by default.
    pub blobs: Blobs,
    /// The address that people and services use, for the addresses of pictures.
    pub origin: String,
    /// The attributes that an application adds to accounts.
    pub attributes: AttributeSchema,
}

impl Users {
    /// Puts the parts together, makes the built-in roles where they are missing, and reads all roles.
    pub async fn open(db: Db, clock: Clock, settings: Settings, master: &MasterKeys) -> storage::Result<Self> {
        let mut tx = db.begin().await?;
        role_record::make_built_in(&mut tx, clock.now()).await?;
        tx.commit().await?;
        let roles = RoleDirectory::default();
        let role_keeper = RoleKeeper::open(db.clone(), roles.clone()).await?;
        let Settings { blobs, origin, attributes } = settings;
        let pictures = Pictures::new(blobs.clone(), &origin);
        Ok(Self {
            db,
            clock,
            roles,
            blobs,
            pictures,
            vault: Vault::new(master),
            links: link::Links::new(master),
            attributes,
            views: api::ReadyViews::default(),
            role_keeper,
            jobs: job::Desk::new(master),
        })
    }
}

/// The tables of this crate.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        owner: "users",
        version: 1,
        name: "accounts",
        shared: include_str!("../migrations/0001_accounts.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "users",
        version: 2,
        name: "suspensions that end",
        shared: include_str!("../migrations/0002_suspended_until.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "users",
        version: 3,
        name: "profiles",
        shared: include_str!("../migrations/0003_profiles.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "users",
        version: 4,
        name: "roles",
        shared: include_str!("../migrations/0004_roles.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "users",
        version: 5,
        name: "search",
        shared: include_str!("../migrations/0005_search.sql"),
        sqlite: include_str!("../migrations/0005_search.sqlite.sql"),
        postgres: include_str!("../migrations/0005_search.postgres.sql"),
    },
    Migration {
        owner: "users",
        version: 6,
        name: "jobs",
        shared: include_str!("../migrations/0006_jobs.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "users",
        version: 7,
        name: "statistics",
        shared: include_str!("../migrations/0007_statistics.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "users",
        version: 8,
        name: "pictures",
        shared: include_str!("../migrations/0008_pictures.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "users",
        version: 9,
        name: "counts by the hour",
        shared: include_str!("../migrations/0009_event_counts_by_hour.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "users",
        version: 10,
        name: "lists of jobs",
        shared: include_str!("../migrations/0010_job_lists.sql"),
        sqlite: "",
        postgres: "",
    },
];
