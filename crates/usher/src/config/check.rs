//! Checking the configuration: refusing to start, and saying what to do.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use auth::hashing::Cost;
use auth::keys::Algorithm;
use base64::Engine as _;
use gateway::{LogFormat, Network};
use kernel::MasterKeys;
use notify::push::{FcmSettings, PushSettings};
use notify::{Categories, Messages, Provider, Sender, SmtpSettings, Templates};
use storage::BlobSettings;
use tracing_subscriber::EnvFilter;
use users::{AttributeSchema, TimeZoneName};

use super::public_url::{check_public_url, is_local_url};
use super::{Checked, Config};

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
    pub(super) fn mail_provider(&self, listen: SocketAddr) -> Result<Provider> {
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
    pub(super) fn sender(&self, origin: &str) -> Result<Sender> {
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
    pub(super) fn categories(&self) -> Result<Categories> {
        Categories::new(&self.notify.categories).context("`notify.categories`")
    }

    /// What applications can have said.
    pub(super) fn messages(&self) -> Result<Messages> {
        Messages::new(&self.notify.messages, &self.categories()?).context("`notify.messages`")
    }

    pub(super) fn template_folder(&self) -> Option<PathBuf> {
        (!self.notify.templates.is_empty()).then(|| PathBuf::from(&self.notify.templates))
    }

    /// How devices are reached.
    pub(super) fn push(&self) -> Result<PushSettings> {
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

    /// What accounts have beside what all have.
    pub(super) fn attributes(&self) -> Result<AttributeSchema> {
        AttributeSchema::new(&self.users.attributes).context("`users.attributes`")
    }

    /// Where pictures and exports are kept.
    pub(super) fn blobs(&self) -> Result<BlobSettings> {
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
pub(super) fn refuse_if_others_can_read(what: &str, path: &Path) -> Result<()> {
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
pub(super) fn identity_seed(text: &str) -> Result<[u8; 32]> {
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
