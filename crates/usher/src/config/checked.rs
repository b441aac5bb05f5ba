//! A configuration that can be run, and what each service takes of it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use auth::hashing::{Cost, HashSettings};
use auth::keys::Algorithm;
use auth::{Policy, Settings, TokenSettings};
use gateway::{LogFormat, Network};
use kernel::{Label, MasterKeys};
use storage::Blobs;

use super::Config;
use super::check::{identity_seed, refuse_if_others_can_read};

/// A configuration that can be run.
pub struct Checked {
    /// As it was written.
    pub config: Config,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to listen for metrics.
    pub private_listen: SocketAddr,
    /// Who may say what a client's address is.
    pub trusted_proxies: Vec<Network>,
    /// How logs look.
    pub log_format: LogFormat,
    pub(super) algorithm: Algorithm,
}

impl Checked {
    /// The public address, given the port that was bound.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        if self.config.public_url.is_empty() {
            return format!("http://localhost:{}", bound.port());
        }
        // As browsers write it in `Origin`: lower case, and without the port that goes without saying.
        let url = self.config.public_url.trim_end_matches('/').to_lowercase();
        let default_port = if url.starts_with("https:") { ":443" } else { ":80" };
        url.strip_suffix(default_port).map_or(url.clone(), str::to_owned)
    }

    /// After how long without news a gateway alone takes what it has heard for too old; nothing if never.
    pub fn refuse_after(&self) -> Option<Duration> {
        let seconds = self.config.services.refuse_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Settings of the `auth` crate.
    pub fn auth_settings(&self, issuer: String) -> Settings {
        let Config { auth, passwords, tokens, .. } = &self.config;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Settings {
            issuer,
            require_verified_email: auth.require_verified_email,
            lockout_failures: auth.lockout.failures,
            lockout_minutes: auth.lockout.minutes,
            failures_told: auth.notices.failures,
            magic_link: auth.magic_link,
            session_days: auth.session_days,
            sessions_per_user: auth.sessions_per_user,
            policy: Policy { min_characters: if auth.assurance == "nist-800-63b-4" { 15 } else { 8 } },
            hashing: HashSettings {
                cost: Cost {
                    memory_kib: passwords.argon2.memory_kib,
                    passes: passwords.argon2.passes,
                    lanes: passwords.argon2.lanes,
                },
                threads: if passwords.threads == 0 { cores } else { passwords.threads },
                queue: passwords.queue,
            },
            tokens: TokenSettings {
                access_seconds: tokens.access_seconds,
                refresh_seconds: tokens.refresh_seconds,
                algorithm: self.algorithm,
                rotation_days: tokens.rotation_days,
            },
        }
    }

    /// What signs what upstreams are told: from the configuration, or from the master key. Nothing in a
    /// gateway alone that was given none: it takes no route that asks for it.
    pub fn identity_seed(&self, master: Option<&MasterKeys>) -> Result<Option<[u8; 32]>> {
        match self.config.gateway.identity_key.as_str() {
            "" => Ok(master.map(|master| *master.seed(Label::GatewayIdentity))),
            text => identity_seed(text).map(Some),
        }
    }

    /// Settings of the `notify` crate.
    pub fn notify_settings(&self, origin: &str) -> Result<notify::Settings> {
        Ok(notify::Settings {
            provider: self.config.mail_provider(self.listen)?,
            from: self.config.sender(origin)?,
            product: self.config.mail.product_name.clone(),
            origin: origin.to_owned(),
            templates: self.config.template_folder(),
            language: self.config.notify.language.clone(),
            push: self.config.push()?,
            timezone: self.config.notify.timezone.clone(),
            categories: self.config.categories()?,
            messages: self.config.messages()?,
        })
    }

    /// Where Usher's services are, for a gateway without them.
    pub fn service_addresses(&self) -> Result<Vec<String>> {
        let addresses: Vec<String> = self.config.services.url.split_whitespace().map(str::to_owned).collect();
        if addresses.is_empty() || self.config.services.token.is_empty() || self.config.public_url.is_empty() {
            bail!(
                "a gateway alone needs `public_url`, `services.url` (where the services are) and `services.token` (make one there with `usher verifier create NAME`)"
            );
        }
        Ok(addresses)
    }

    /// Settings of the database.
    pub fn database(&self) -> storage::Settings {
        let Config { database, .. } = &self.config;
        if database.url.is_empty() {
            storage::Settings::sqlite(self.database_file(), database.max_connections)
        } else {
            storage::Settings::postgres(database.url.clone(), database.max_connections)
        }
    }

    /// Settings of the `users` crate.
    pub fn user_settings(&self, origin: String) -> Result<users::Settings> {
        Ok(users::Settings {
            blobs: Blobs::open(&self.config.blobs()?)?,
            origin,
            attributes: self.config.attributes()?,
        })
    }

    fn database_file(&self) -> PathBuf {
        Path::new(&self.config.data_dir).join("usher.db")
    }

    /// Whether there is a database, as far as can be told without opening it.
    pub fn has_database(&self) -> bool {
        !self.config.database.url.is_empty() || self.database_file().exists()
    }

    /// Makes the data folder, for nobody else to read.
    pub fn make_data_dir(&self) -> Result<()> {
        let path = Path::new(&self.config.data_dir);
        if !path.exists() {
            fs::create_dir_all(path).with_context(|| format!("making the folder {}", path.display()))?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .with_context(|| format!("closing the folder {} to others", path.display()))?;
        }
        Ok(())
    }

    /// The master keys from the configuration or from `master.key`; nothing if there are none yet.
    pub fn master_keys(&self) -> Result<Option<MasterKeys>> {
        if !self.config.secrets.master_key.is_empty() {
            return MasterKeys::parse(&self.config.secrets.master_key).context("`secrets.master_key`").map(Some);
        }
        let path = self.master_key_file();
        if !path.exists() {
            return Ok(None);
        }
        refuse_if_others_can_read("the master key", &path)?;
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        MasterKeys::parse(&text).with_context(|| format!("{}", path.display())).map(Some)
    }

    /// Makes the master key, for a database that has nothing in it yet.
    pub fn make_master_keys(&self) -> Result<MasterKeys> {
        let (path, keys) = (self.master_key_file(), MasterKeys::generate());
        write_secret(&path, &keys.to_text()).with_context(|| format!("writing {}", path.display()))?;
        Ok(keys)
    }

    /// Where the master key is, if it is in a file.
    pub fn master_key_file(&self) -> PathBuf {
        Path::new(&self.config.data_dir).join("master.key")
    }
}

/// Writes a file that only its owner can read, and makes sure that it is on disk.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()
}
