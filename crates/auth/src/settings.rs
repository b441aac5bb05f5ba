//! What an operator can set for this crate, already checked.

use crate::hashing::HashSettings;
use crate::keys::Algorithm;
use crate::password::Policy;

/// Settings of sign-in, sessions, tokens and passwords.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The public address: issuer and audience of tokens, without a trailing slash.
    pub issuer: String,
    /// Whether an account can be used only once its address is verified.
    pub require_verified_email: bool,
    /// Whether people can sign in by a link that is sent to them, without a password.
    pub magic_link: bool,
    /// Failures until an account is locked.
    pub lockout_failures: u32,
    /// How long it stays locked after the last of them, in minutes.
    pub lockout_minutes: u32,
    /// A sign-in is told to the account's owner after so many wrong passwords.
    pub failures_told: u32,
    /// How long a session lives whatever happens, in days.
    pub session_days: u32,
    /// How many sessions an account may have; signing in once more ends the oldest.
    pub sessions_per_user: u32,
    /// Which passwords are allowed.
    pub policy: Policy,
    /// How they are hashed.
    pub hashing: HashSettings,
    /// Tokens and their keys.
    pub tokens: TokenSettings,
}

/// Settings of tokens and signing keys.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// How long an access token is good, in seconds.
    pub access_seconds: u32,
    /// How long a refresh token is good, in seconds.
    pub refresh_seconds: u32,
    /// What new signing keys are for.
    pub algorithm: Algorithm,
    /// After how many days a signing key is replaced.
    pub rotation_days: u32,
}

/// The longest that an access token may be good, in seconds. What has to outlive every access token
/// goes by this and not by the setting, which may have been longer before a restart.
pub const MAX_ACCESS_SECONDS: u32 = 900;
/// How long verifiers may keep a copy of the JWKS, in seconds: its `Cache-Control: max-age`.
pub const JWKS_MAX_AGE: u32 = 300;
/// How far clocks may be apart, in seconds.
pub const LEEWAY: u32 = 60;
