//! Who are you: passwords, sessions, tokens, and the keys that sign them.
//!
//! Each use case is a file: `register`, `sign_in`, `refresh`, `sign_out`, `end_sessions`,
//! `change_password`, `verify_email`, `reset_password`, `setup`. A use case takes an [`Auth`] and plain values, does one transaction
//! with one event, and knows no HTTP. Each table has its record file: `credential`, `attempts`,
//! `session`, `known_device`, `keys::record`, `setup`, `link`, `link_request`.
//!
//! - `password` says which passwords are allowed; `hashing` hashes them, on threads of its own.
//! - `tokens` mints access and refresh tokens; `keys` holds and rotates the signing keys.
//! - `news` says what of a sign-in its owner is told.
//! - `browser` makes and reads the cookies of the pages; `api` is the JSON face.
//!
//! This crate does not check access tokens: that is `verify`, in the gateway or anybody's service.

mod agent;
pub mod api;
mod attempts;
pub mod browser;
mod change_email;
mod change_password;
mod client;
mod credential;
mod end_sessions;
mod enter;
mod erase;
pub mod hashing;
mod import;
mod import_record;
mod invite;
pub mod keys;
mod known_device;
mod link;
mod link_request;
mod news;
mod overview;
mod password;
mod refresh;
mod register;
mod reset_password;
mod rewrap;
mod security;
pub mod session;
mod settings;
pub mod setup;
mod sign_in;
mod sign_in_link;
mod sign_out;
#[cfg(test)]
mod tests;
mod tokens;
mod unlock;
mod upkeep;
mod verify_email;

use std::sync::Arc;

use kernel::secret::SealingRing;
use kernel::{Clock, Label, MacRing, MasterKeys};
use storage::{Db, Migration};
use users::{Account, Status, Users};

pub use agent::Agent;
pub use attempts::Lock;
pub use change_email::{
    PendingLink, RequestEmailChangeError, check_email_change, confirm_email_change, pending_link, request_email_change,
};
pub use change_password::{ChangePasswordError, change_password};
pub use client::{Client, SessionKind};
pub use credential::{PasswordFacts, hashes_of as password_hashes_of};
pub use end_sessions::{EndSessionError, EndSessionOfError, end_other_sessions, end_session, end_session_of};
pub use erase::{EraseError, erase, erase_expired};
pub use hashing::{Busy, Hasher};
pub use import::{
    BatchReport, ImportBatch, ImportError, ImportOptions, ImportRow, ImportState, NotTaken, Passwords, PreparedBatch,
    begin_import, import_batch, import_file_id, prepare as prepare_import,
};
pub use invite::{
    AcceptInvitationError, ChangeInvitationError, Invitation, InviteError, Invited, accept_invitation,
    check_invitation, invitation_link, invite, invite_again, pending_invitation, withdraw_invitation,
};
pub use link::LinkError;
pub use link_request::answer as answer_link_requests;
pub use overview::{Counted, Overview, overview};
pub use password::{Password, Policy, Weakness};
pub use refresh::{RefreshError, refresh};
pub use register::{NewAccount, RegisterError, Registered, create_administrator, register};
pub use reset_password::{ResetPasswordError, check_password_reset, request_password_reset, reset_password};
pub use rewrap::passwords_of_older_keys;
pub use security::{Security, security};
pub use session::{Opened, Session};
pub use settings::{MAX_ACCESS_SECONDS, Settings, TokenSettings};
pub use sign_in::{Credentials, SignInError, sign_in};
pub use sign_in_link::{SignInLink, check_sign_in_link, request_sign_in_link, sign_in_by_link};
pub use sign_out::sign_out;
pub use tokens::{SignedIn, TokenError};
pub use unlock::{UnlockError, unlock};
pub use upkeep::{recover, sweep};
pub use verify_email::{
    CodeError, Keep, Verification, VerifyEmailError, check_verification, request_verification, verify_email,
    verify_email_by_code, verify_email_by_code_here, verify_email_with_password,
};

/// What the use cases of this crate work with. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Parts>);

struct Parts {
    users: Users,
    settings: Settings,
    hasher: Hasher,
    keys: keys::Keys,
    pepper: MacRing,
    cookie: MacRing,
    link: MacRing,
    refresh: MacRing,
    blind_index: MacRing,
    requests: SealingRing,
    /// Told whenever something was asked for by naming an address.
    asked: tokio::sync::Notify,
    overview: overview::Kept,
}

impl Auth {
    /// Puts the parts together and loads the signing keys. A server has to call
    /// [`keys::Keys::keep_fresh`] before it signs anybody in.
    pub async fn new(users: Users, settings: Settings, master: &MasterKeys) -> Result<Self, keys::KeysError> {
        let keys = keys::Keys::load(&users.db, &users.clock, &settings.tokens, master).await?;
        Ok(Self(Arc::new(Parts {
            hasher: Hasher::start(settings.hashing.clone()).map_err(keys::KeysError::Threads)?,
            keys,
            pepper: master.mac_ring(Label::PasswordPepper),
            cookie: master.mac_ring(Label::Cookie),
            link: master.mac_ring(Label::Link),
            refresh: master.mac_ring(Label::RefreshToken),
            blind_index: master.mac_ring(Label::BlindIndex),
            requests: master.sealing_ring(Label::KeyEncryption),
            asked: tokio::sync::Notify::new(),
            overview: overview::Kept::default(),
            users,
            settings,
        })))
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.0.users.db
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.users.clock
    }

    /// What the `users` crate works with.
    pub fn users(&self) -> &Users {
        &self.0.users
    }

    /// What was configured.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The password hashing threads.
    pub fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    /// The signing keys.
    pub fn keys(&self) -> &keys::Keys {
        &self.0.keys
    }

    /// The keys for cookies and form tokens.
    pub fn cookie_key(&self) -> &MacRing {
        &self.0.cookie
    }

    pub(crate) fn kept_overview(&self) -> &overview::Kept {
        &self.0.overview
    }

    pub(crate) fn pepper(&self) -> &MacRing {
        &self.0.pepper
    }

    pub(crate) fn link_key(&self) -> &MacRing {
        &self.0.link
    }

    pub(crate) fn refresh_key(&self) -> &MacRing {
        &self.0.refresh
    }

    pub(crate) fn blind_index(&self) -> &MacRing {
        &self.0.blind_index
    }

    pub(crate) fn request_key(&self) -> &SealingRing {
        &self.0.requests
    }

    pub(crate) fn asked(&self) -> &tokio::sync::Notify {
        &self.0.asked
    }

    /// Whether an account may be used: to sign in, and to go on with what was begun.
    pub(crate) fn admits(&self, account: &Account) -> bool {
        account.status == Status::Active && (account.email_verified || !self.0.settings.require_verified_email)
    }
}

/// The tables of this crate.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        owner: "auth",
        version: 1,
        name: "sign-in",
        shared: include_str!("../migrations/0001_sign_in.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "auth",
        version: 2,
        name: "withdrawn keys",
        shared: include_str!("../migrations/0002_withdrawn_keys.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "auth",
        version: 3,
        name: "email changes",
        shared: include_str!("../migrations/0003_email_changes.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "auth",
        version: 4,
        name: "imports",
        shared: include_str!("../migrations/0004_imports.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "auth",
        version: 5,
        name: "rows that an import did not take",
        shared: include_str!("../migrations/0005_import_not_taken.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "auth",
        version: 6,
        name: "one-time links",
        shared: include_str!("../migrations/0006_links.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "auth",
        version: 7,
        name: "known devices",
        shared: include_str!("../migrations/0007_known_devices.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "auth",
        version: 8,
        name: "invitations",
        shared: include_str!("../migrations/0008_invitations.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "auth",
        version: 9,
        name: "what is asked for by naming an address",
        shared: include_str!("../migrations/0009_link_requests.sql"),
        sqlite: "",
        postgres: "",
    },
    Migration {
        owner: "auth",
        version: 10,
        name: "ways in",
        shared: include_str!("../migrations/0010_ways_in.sql"),
        sqlite: "",
        postgres: "",
    },
];
