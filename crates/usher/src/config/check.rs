//! Turning the configuration into what the services take, or refusing to start and saying what to do.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use auth::hashing::{Cost, HashSettings};
use auth::keys::Algorithm;
use auth::{Policy, Settings, TokenSettings};
use base64::Engine as _;
use gateway::{LogFormat, Network};
use kernel::{Label, MasterKeys};
use notify::push::{FcmSettings, PushSettings};
use notify::{Categories, Messages, Provider, Sender, SmtpSettings, Templates};
use storage::{BlobSettings, Blobs};
use tracing_subscriber::EnvFilter;
use users::{AttributeSchema, TimeZoneName};

use super::Config;

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
    algorithm: Algorithm,
}

impl Config {
    /// Checks everything that can be checked without starting.
    pub fn check(self) -> Result<Checked> {
        let listen = address("listen", &self.listen)?;
        let private_listen = address("private_listen", &self.private_listen)?;
        check_public_url(&self.public_url, listen)?;
        let trusted_proxies = self
            .trusted_proxies
            .iter()
            .map(|text| text.parse::<Network>())
            .collect::<Result<_, _>>()
            .context("`trusted_proxies`")?;
        let algorithm = Algorithm::from_name(&self.tokens.algorithm)
            .with_context(|| format!("`tokens.algorithm` is `{}`: use EdDSA, ES256 or RS256", self.tokens.algorithm))?;
        let argon2 = &self.passwords.argon2;
        let cost = Cost { memory_kib: argon2.memory_kib, passes: argon2.passes, lanes: argon2.lanes };
        if !cost.is_allowed() {
            bail!(
                "`passwords.argon2` is too weak or too large: the defaults are memory_kib = 19456, passes = 2, lanes = 1; with less memory take more passes (12288 and 3, 9216 and 4, 7168 and 5)"
            );
        }
        if !self.database.url.is_empty()
            && !self.database.url.starts_with("postgres://")
            && !self.database.url.starts_with("postgresql://")
        {
            bail!("`database.url` has to begin with postgres:// (leave it empty for SQLite in `data_dir`)");
        }
        self.check_ranges()?;
        self.blobs()?;
        self.attributes()?;
        self.check_mail(listen)?;
        self.push()?;
        if !self.secrets.master_key.is_empty() {
            MasterKeys::parse(&self.secrets.master_key).context("`secrets.master_key`")?;
        }
        EnvFilter::try_new(&self.log.level)
            .with_context(|| format!("`log.level` is `{}`: write it like info or warn,auth=debug", self.log.level))?;
        let log_format = match self.log.format.as_str() {
            "human" => LogFormat::Human,
            "auto" if std::io::IsTerminal::is_terminal(&std::io::stdout()) => LogFormat::Human,
            "auto" | "json" => LogFormat::Json,
            other => bail!("`log.format` is `{other}`: use auto, human or json"),
        };
        self.check_gateway(listen)?;
        Ok(Checked { config: self, listen, private_listen, trusted_proxies, log_format, algorithm })
    }

    /// How mail is handed over. Whoever reaches the development inbox reads everybody's mail, so it is there only where
    /// nobody but this machine is served: a proxy brings others to a program that listens on loopback.
    fn mail_provider(&self, listen: SocketAddr) -> Result<Provider> {
        let mail = &self.mail;
        if mail.url.is_empty() {
            let is_own = listen.ip().is_loopback() && self.trusted_proxies.is_empty() && is_local_url(&self.public_url);
            return Ok(if is_own { Provider::Inbox } else { Provider::None });
        }
        // The address has a password or a key in it: it is not repeated.
        let provider = Provider::parse(&mail.url).context("`mail.url`")?;
        Ok(match provider {
            Provider::Smtp(settings) if !mail.ca.is_empty() => {
                let pem = fs::read(&mail.ca).with_context(|| format!("`mail.ca`: reading {}", mail.ca))?;
                Provider::Smtp(SmtpSettings { root_certificate: Some(pem), ..settings })
            }
            other => other,
        })
    }

    /// Whom mail is from, where people reach us at `origin`.
    fn sender(&self, origin: &str) -> Result<Sender> {
        let mail = &self.mail;
        if !mail.from.is_empty() {
            return Sender::parse(&mail.from, &mail.product_name).context("`mail.from`");
        }
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let is_name = name.chars().any(|c| c.is_ascii_alphabetic()) && !name.starts_with('[');
        let domain = if is_name { name } else { "localhost" };
        Sender::parse(&format!("no-reply@{domain}"), &mail.product_name).context("`mail.from`")
    }

    fn check_mail(&self, listen: SocketAddr) -> Result<()> {
        let mail = &self.mail;
        if mail.product_name.trim().is_empty() || mail.product_name.chars().any(char::is_control) {
            bail!("`mail.product_name` is what mails call the product: it cannot be empty or have line breaks");
        }
        self.mail_provider(listen)?;
        if !mail.url.is_empty() && mail.from.is_empty() {
            bail!("`mail.from` is missing: it is whom mail is from, like Harbour <no-reply@example.com>");
        }
        if self.auth.require_verified_email && matches!(self.mail_provider(listen)?, Provider::None) {
            bail!(
                "`auth.require_verified_email` is set, and no mail is sent, so nobody could sign up: set `mail.url` and \
                 `mail.from`. (Where only this machine is served, mail is kept at /dev/inbox instead)"
            );
        }
        self.sender("http://localhost")?;
        let messages = self.messages()?;
        if TimeZoneName::parse(&self.notify.timezone).is_none() {
            bail!("`notify.timezone` is `{}`: use a name like Europe/Vienna or UTC", self.notify.timezone);
        }
        Templates::load(self.template_folder().as_deref(), &self.notify.language, &messages).context("`notify`")?;
        Ok(())
    }

    /// What messages can be for.
    fn categories(&self) -> Result<Categories> {
        Categories::new(&self.notify.categories).context("`notify.categories`")
    }

    /// What applications can have said.
    fn messages(&self) -> Result<Messages> {
        Messages::new(&self.notify.messages, &self.categories()?).context("`notify.messages`")
    }

    fn template_folder(&self) -> Option<PathBuf> {
        (!self.notify.templates.is_empty()).then(|| PathBuf::from(&self.notify.templates))
    }

    /// How devices are reached.
    fn push(&self) -> Result<PushSettings> {
        let fcm = &self.push.fcm;
        if fcm.credentials.is_empty() {
            if !fcm.url.is_empty() || !fcm.token_url.is_empty() {
                bail!(
                    "`push.fcm.credentials` is missing: the JSON file of a service account, from the Firebase console"
                );
            }
            return Ok(PushSettings { web: self.push.web, fcm: None });
        }
        refuse_if_others_can_read("push.fcm.credentials", Path::new(&fcm.credentials))?;
        let json = fs::read_to_string(&fcm.credentials)
            .with_context(|| format!("`push.fcm.credentials`: reading {}", fcm.credentials))?;
        let fcm = FcmSettings::read(&json, &fcm.url, &fcm.token_url).context("`push.fcm`")?;
        Ok(PushSettings { web: self.push.web, fcm: Some(fcm) })
    }

    fn check_gateway(&self, listen: SocketAddr) -> Result<()> {
        let own = format!("http://localhost:{}", listen.port());
        let host = if self.public_url.is_empty() { own } else { self.public_url.clone() };
        gateway::check_routes(&self.gateway.routes, &host).context("`gateway.routes`")?;
        if self.tls.certificate.is_empty() != self.tls.key.is_empty() {
            bail!("`tls` needs both: `tls.certificate` and `tls.key`");
        }
        if !self.tls.key.is_empty() {
            if !self.public_url.starts_with("https://") {
                bail!("`tls` is set, so `public_url` has to be the https address that the certificate is for");
            }
            refuse_if_others_can_read("tls.key", Path::new(&self.tls.key))?;
        }
        if !self.gateway.identity_key.is_empty() {
            identity_seed(&self.gateway.identity_key)?;
        }
        Ok(())
    }

    /// Where pictures and exports are kept.
    fn attributes(&self) -> Result<AttributeSchema> {
        AttributeSchema::new(&self.users.attributes).context("`users.attributes`")
    }

    fn blobs(&self) -> Result<BlobSettings> {
        let blobs = &self.blobs;
        if !blobs.url.is_empty() {
            let (id, secret) = (&blobs.access_key_id, &blobs.secret_access_key);
            return Ok(BlobSettings::s3(&blobs.url, &blobs.endpoint, &blobs.region, id, secret)?);
        }
        if [&blobs.endpoint, &blobs.region, &blobs.access_key_id, &blobs.secret_access_key]
            .iter()
            .any(|key| !key.is_empty())
        {
            bail!("`blobs.url` is missing: without it pictures and exports are kept in `data_dir`");
        }
        Ok(BlobSettings::Folder(Path::new(&self.data_dir).join("blobs")))
    }

    fn check_ranges(&self) -> Result<()> {
        let ranges = [
            ("tokens.access_seconds", u64::from(self.tokens.access_seconds), 10, u64::from(auth::MAX_ACCESS_SECONDS)),
            ("tokens.refresh_seconds", u64::from(self.tokens.refresh_seconds), 60, 30 * 86_400),
            ("tokens.rotation_days", u64::from(self.tokens.rotation_days), 1, 365),
            ("auth.lockout.failures", u64::from(self.auth.lockout.failures), 1, 100),
            ("auth.lockout.minutes", u64::from(self.auth.lockout.minutes), 1, 60),
            ("auth.notices.failures", u64::from(self.auth.notices.failures), 1, 100),
            ("auth.session_days", u64::from(self.auth.session_days), 1, 30),
            ("auth.sessions_per_user", u64::from(self.auth.sessions_per_user), 1, 10_000),
            ("passwords.queue", self.passwords.queue as u64, 1, 10_000),
            ("passwords.threads", self.passwords.threads as u64, 0, 256),
            ("log.access_sample", u64::from(self.log.access_sample), 1, 1_000_000),
            ("services.refuse_after_seconds", u64::from(self.services.refuse_after_seconds), 0, 86_400),
            ("server.threads", self.server.threads as u64, 0, 256),
            ("database.max_connections", u64::from(self.database.max_connections), 2, 1_000),
        ];
        for (key, value, least, most) in ranges {
            if value < least || value > most {
                bail!("`{key}` is {value}: it has to be between {least} and {most}");
            }
        }
        if !matches!(self.auth.assurance.as_str(), "standard" | "nist-800-63b-4") {
            bail!("`auth.assurance` is `{}`: use standard or nist-800-63b-4", self.auth.assurance);
        }
        Ok(())
    }
}

/// A private key is for its owner alone.
fn refuse_if_others_can_read(what: &str, path: &Path) -> Result<()> {
    let mode = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "{path} ({what}) can be read by others (mode {:o}): run `chmod 600 {path}`",
            mode & 0o777,
            path = path.display()
        );
    }
    Ok(())
}

/// The seed of the key that signs what upstreams are told.
fn identity_seed(text: &str) -> Result<[u8; 32]> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.trim()).unwrap_or_default();
    <[u8; 32]>::try_from(bytes).map_err(|_| {
        anyhow!("`gateway.identity_key` is not 32 bytes in base64: make one with `openssl rand -base64 32`")
    })
}

fn address(key: &str, text: &str) -> Result<SocketAddr> {
    let mut found =
        text.to_socket_addrs().with_context(|| format!("`{key}` is `{text}`: write it like 127.0.0.1:8080"))?;
    found.next().with_context(|| format!("`{key}` is `{text}`, and there is no such address"))
}

/// Tokens and cookies are for whoever can read the connection, so only loopback may do without TLS.
fn check_public_url(url: &str, listen: SocketAddr) -> Result<()> {
    if url.is_empty() {
        if listen.ip().is_loopback() {
            return Ok(());
        }
        bail!(
            "`public_url` is missing: `listen` is {listen}, which others can reach. Set it to the https address that they use, and let a TLS proxy listen there"
        );
    }
    let (scheme, rest) = url
        .split_once("://")
        .with_context(|| format!("`public_url` is `{url}`: write it like https://accounts.example.com"))?;
    let host_port = rest.trim_end_matches('/');
    if host_port.is_empty() || host_port.contains(['/', '?', '#', '@', ' ']) {
        bail!("`public_url` is `{url}`: write scheme and host only, like https://accounts.example.com");
    }
    let host = without_port(host_port);
    let port = host_port.strip_prefix(host).unwrap_or_default().strip_prefix(':');
    if host.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        bail!(
            "`public_url` is `{url}`: write it like https://accounts.example.com or https://accounts.example.com:8443"
        );
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_local(host) && listen.ip().is_loopback() => Ok(()),
        _ => bail!(
            "`public_url` is `{url}`: without https everybody on the way can read passwords. Use https, or http only with a loopback host and a loopback `listen`"
        ),
    }
}

fn without_port(host_port: &str) -> &str {
    match host_port.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => host_port,
    }
}

/// Whether a host is this machine, whoever asks.
fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "[::1]") || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a public address leads to this machine alone; without one, it is `localhost`.
fn is_local_url(url: &str) -> bool {
    url.split_once("://").is_none_or(|(_, rest)| is_local(without_port(rest.trim_end_matches('/'))))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut Config)) -> Result<Checked> {
        let mut config = Config::default();
        change(&mut config);
        config.check()
    }

    #[test]
    fn k1_http_is_for_loopback_only() {
        assert!(with(|_| ()).is_ok());
        for (url, listen, good) in [
            ("https://accounts.example.com", "0.0.0.0:8080", true),
            ("http://localhost:8080", "127.0.0.1:8080", true),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080", true),
            ("", "0.0.0.0:8080", false),
            ("http://accounts.example.com", "127.0.0.1:8080", false),
            ("http://localhost:8080", "0.0.0.0:8080", false),
            ("http://localhost.example.com", "127.0.0.1:8080", false),
            ("https://accounts.example.com/path", "127.0.0.1:8080", false),
            ("accounts.example.com", "127.0.0.1:8080", false),
            ("https://:99999", "127.0.0.1:8080", false),
            ("https://accounts.example.com:99999", "127.0.0.1:8080", false),
            ("https://accounts.example.com:8443", "127.0.0.1:8080", true),
        ] {
            let checked = with(|config| {
                config.public_url = url.into();
                config.listen = listen.into();
            });
            assert_eq!(checked.is_ok(), good, "{url} on {listen}");
        }
    }

    #[test]
    fn mail_is_shown_to_nobody_who_may_come_from_elsewhere() {
        for (url, listen, proxies, is_shown) in [
            ("", "127.0.0.1:8080", &[][..], true),
            ("http://localhost:8080", "127.0.0.1:8080", &[], true),
            ("http://[::1]:8080/", "[::1]:8080", &[], true),
            ("https://accounts.example.com", "127.0.0.1:8080", &[], false),
            ("https://localhost.example.com:8443", "127.0.0.1:8080", &[], false),
            ("https://localhost:8443", "0.0.0.0:8443", &[], false),
            ("http://localhost:8080", "127.0.0.1:8080", &["127.0.0.1"], false),
        ] {
            let config = Config {
                public_url: url.into(),
                trusted_proxies: proxies.iter().map(|&proxy| proxy.to_owned()).collect(),
                ..Config::default()
            };
            let provider = config.mail_provider(listen.parse().unwrap()).unwrap();
            assert_eq!(matches!(provider, Provider::Inbox), is_shown, "{url} on {listen} behind {proxies:?}");
        }
    }

    #[test]
    fn weak_or_odd_values_are_refused_with_what_to_do() {
        let error = |change: fn(&mut Config)| with(change).err().unwrap().to_string();
        assert!(error(|config| config.passwords.argon2.memory_kib = 1024).contains("passwords.argon2"));
        assert!(error(|config| config.tokens.algorithm = "HS256".into()).contains("EdDSA"));
        assert!(error(|config| config.tokens.access_seconds = 86_400).contains("between 10 and 900"));
        assert!(error(|config| config.database.url = "mysql://x".into()).contains("postgres://"));
        assert!(error(|config| config.auth.assurance = "high".into()).contains("nist-800-63b-4"));
        let attribute = serde_json::json!([{"name": "email", "type": "string"}]);
        let mut config = Config::default();
        config.users.attributes = serde_json::from_value(attribute).unwrap();
        assert!(format!("{:#}", config.check().err().unwrap()).contains("`users.attributes`: `email` is a field"));
        assert!(error(|config| config.blobs.url = "file:///tmp".into()).contains("s3://"));
        assert!(error(|config| config.blobs.region = "eu".into()).contains("`blobs.url` is missing"));
        assert!(with(|config| config.trusted_proxies = vec!["0.0.0.0/0".into()]).is_err());
    }
}
