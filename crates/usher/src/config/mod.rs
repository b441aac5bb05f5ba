//! What can be set: by a file (TOML), the environment and flags, each over the one before.
//!
//! The struct with its defaults is the whole list of keys: a key of the file or the environment that
//! is not in it is an error that names the nearest one. `check` refuses what cannot be run and says
//! what to do; `checked` is what the services take of the rest.

mod check;
mod checked;
mod load;
mod public_url;

use gateway::RouteSpec;
use notify::{CategorySpec, MessageSpec};
use serde::{Deserialize, Serialize};
use users::AttributeSpec;

pub use checked::Checked;
pub use load::{Flags, Sources, load, show, shown_as_json, shown_as_text};

/// Everything that can be set. It has no `Debug`: there are secrets in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address that people and services use, without a path. Needed as soon as others can reach
    /// it; on loopback it is `http://localhost:PORT` unless said.
    pub public_url: String,
    /// The address to listen on.
    pub listen: String,
    /// The address for metrics and details of health.
    pub private_listen: String,
    /// The folder for everything.
    pub data_dir: String,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// The database.
    pub database: Database,
    /// Pictures and exports.
    pub blobs: Blobs,
    /// Secrets.
    pub secrets: Secrets,
    /// Accounts.
    pub users: Users,
    /// Signing in.
    pub auth: Auth,
    /// Passwords.
    pub passwords: Passwords,
    /// Tokens and their keys.
    pub tokens: Tokens,
    /// E-mail.
    pub mail: Mail,
    /// What people are told.
    pub notify: Notify,
    /// Messages to devices.
    pub push: Push,
    /// Rate limits.
    pub limits: Limits,
    /// Logs.
    pub log: Log,
    /// The process.
    pub server: Server,
    /// The gateway.
    pub gateway: Gateway,
    /// Usher's own services, for a gateway that runs without them.
    pub services: Services,
    /// Certificates for the public address.
    pub tls: Tls,
}

/// The gateway.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// Where requests for applications go. A running server reads it again on SIGHUP, and no other key: of `tls` it
    /// reads the files again, not the keys that name them.
    pub routes: Vec<RouteSpec>,
    /// What signs `X-User-Token`: 32 bytes in base64. If empty it is derived from the master key.
    pub identity_key: String,
}

/// Usher's own services, for a gateway that runs without them (`usher serve --only gateway`).
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Services {
    /// Where they are: `http://host:port`, or several with spaces between.
    pub url: String,
    /// The token with which this gateway follows the revocation feed, of `usher verifier create`.
    pub token: String,
    /// After how many seconds without news of revocations tokens are refused; never if 0.
    pub refuse_after_seconds: u32,
}

/// Certificates for the public address. Without them it speaks plain HTTP.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// A PEM file: the certificate, then those that it hangs from.
    pub certificate: String,
    /// A PEM file: its private key.
    pub key: String,
}

/// The database.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://user:password@host/database`; SQLite in `data_dir` if empty.
    pub url: String,
    /// Connections that this process may hold.
    pub max_connections: u32,
    /// Whether to migrate at start; if not, `usher migrate` has to be run first.
    pub migrate: bool,
}

/// Where pictures and exports are kept.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blobs {
    /// `s3://bucket` or `s3://bucket/prefix`; the folder `blobs` in `data_dir` if empty.
    pub url: String,
    /// The address of a store that is not Amazon's.
    pub endpoint: String,
    /// The region; `us-east-1` if empty.
    pub region: String,
    /// Who the store knows us as. Without it, the machine's role is asked.
    pub access_key_id: String,
    /// What proves it.
    pub secret_access_key: String,
}

/// Secrets.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// The master key in base64, then those it replaced, with spaces between. If empty it is in
    /// `data_dir/master.key`.
    pub master_key: String,
}

/// Accounts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Users {
    /// What an application adds to every account.
    pub attributes: Vec<AttributeSpec>,
}

/// Signing in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// `standard`, or `nist-800-63b-4` for passwords of 15 characters or more.
    pub assurance: String,
    /// Whether an account can be used only once its address is verified.
    pub require_verified_email: bool,
    /// Whether people can sign in by a link that is sent to them, without a password.
    pub magic_link: bool,
    /// Locking after failures.
    pub lockout: Lockout,
    /// What people are told of their sign-ins.
    pub notices: Notices,
    /// How long a session lives, whatever happens, in days.
    pub session_days: u32,
    /// How many sessions an account may have.
    pub sessions_per_user: u32,
}

/// Locking after failures.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lockout {
    /// Failures until an account is locked.
    pub failures: u32,
    /// For how many minutes.
    pub minutes: u32,
}

/// What people are told of their sign-ins.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notices {
    /// After how many wrong passwords a sign-in is told.
    pub failures: u32,
}

/// Passwords.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Passwords {
    /// What a hash costs.
    pub argon2: Argon2,
    /// Hashes at once; as many as cores if 0.
    pub threads: usize,
    /// How many may wait before the next is answered with 503.
    pub queue: usize,
}

/// What a hash costs (RFC 9106).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Argon2 {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// Tokens and their keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tokens {
    /// How long an access token is good, in seconds.
    pub access_seconds: u32,
    /// How long a refresh token is good, in seconds.
    pub refresh_seconds: u32,
    /// `EdDSA`, `ES256` or `RS256`.
    pub algorithm: String,
    /// After how many days a signing key is replaced.
    pub rotation_days: u32,
}

/// E-mail.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// `smtp://user:password@host:port`, `smtps://…` or `sendgrid://key`. If empty, mail is kept in the development
    /// inbox while `listen` is on loopback, and else none is sent.
    pub url: String,
    /// Whom mail is from: an address, or a name and an address.
    pub from: String,
    /// What the product is called that people have accounts at.
    pub product_name: String,
    /// A PEM file with a certificate to trust beside those that everybody trusts.
    pub ca: String,
}

/// What people are told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// A folder with templates and words that come before those that are built in.
    pub templates: String,
    /// The language of those who have named none.
    pub language: String,
    /// The clock of those who have named none (a name of the IANA database).
    pub timezone: String,
    /// What messages can be for, beside what is built in, and what holds for those who have not chosen.
    pub categories: Vec<CategorySpec>,
    /// What applications can have said.
    pub messages: Vec<MessageSpec>,
}

/// Messages to devices.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Push {
    /// Whether browsers can be pushed to, by Web Push.
    pub web: bool,
    /// Apps, by Firebase Cloud Messaging.
    pub fcm: Fcm,
}

/// Firebase Cloud Messaging.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fcm {
    /// The JSON file of a service account. If empty, no app is pushed to.
    pub credentials: String,
    /// Where Firebase is; Google's own if empty.
    pub url: String,
    /// Where tokens are given; as the file says if empty.
    pub token_url: String,
}

/// Rate limits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Whether there are any.
    pub enabled: bool,
}

/// Logs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `auto` (human on a terminal, else json), `human` or `json`.
    pub format: String,
    /// What is logged, as in `info` or `warn,auth=debug`.
    pub level: String,
    /// Whether each request is.
    pub access: bool,
    /// Of the requests that went well, one in so many is logged. Refusals and failures always are.
    pub access_sample: u32,
}

/// The process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Threads that answer requests; as many as cores if 0.
    pub threads: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            public_url: String::new(),
            listen: "127.0.0.1:8080".into(),
            private_listen: "127.0.0.1:9080".into(),
            data_dir: "./usher-data".into(),
            trusted_proxies: Vec::new(),
            database: Database::default(),
            blobs: Blobs::default(),
            users: Users::default(),
            secrets: Secrets::default(),
            auth: Auth::default(),
            passwords: Passwords::default(),
            tokens: Tokens::default(),
            mail: Mail::default(),
            notify: Notify::default(),
            push: Push::default(),
            limits: Limits::default(),
            log: Log::default(),
            server: Server::default(),
            gateway: Gateway::default(),
            services: Services::default(),
            tls: Tls::default(),
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self { url: String::new(), max_connections: 16, migrate: true }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            assurance: "standard".into(),
            require_verified_email: false,
            magic_link: false,
            lockout: Lockout::default(),
            notices: Notices::default(),
            session_days: 30,
            sessions_per_user: 100,
        }
    }
}

impl Default for Lockout {
    fn default() -> Self {
        Self { failures: 5, minutes: 15 }
    }
}

impl Default for Notices {
    fn default() -> Self {
        Self { failures: 3 }
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self { argon2: Argon2::default(), threads: 0, queue: 64 }
    }
}

impl Default for Argon2 {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self { access_seconds: 900, refresh_seconds: 604_800, algorithm: "EdDSA".into(), rotation_days: 30 }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self { url: String::new(), from: String::new(), product_name: "Usher".into(), ca: String::new() }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            templates: String::new(),
            language: "en".into(),
            timezone: "UTC".into(),
            categories: Vec::new(),
            messages: Vec::new(),
        }
    }
}

impl Default for Push {
    fn default() -> Self {
        Self { web: true, fcm: Fcm::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: "auto".into(), level: "info".into(), access: true, access_sample: 1 }
    }
}
