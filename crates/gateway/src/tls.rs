//! TLS for those who come in: a certificate and its key from files, read again when they change.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A client has this long for the whole handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A certificate and its key, as they are in their files. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// The files as they were when they were last read, whether they were any good or not: a broken one
    /// is reported once and not every five seconds.
    seen: Seen,
}

/// What changes when a file changes: its time and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen([Option<(SystemTime, u64)>; 2]);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(PathBuf, rustls::pki_types::pem::Error),
    /// A file has no certificate in it.
    #[error("`{0}` has no certificate in it: it has to begin with `-----BEGIN CERTIFICATE-----`")]
    Empty(PathBuf),
    /// The two do not fit each other, or are of a kind that is not known.
    #[error("certificate and key cannot be used together: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Tls {
    /// Reads the certificate, with those between it and its authority, and its key, both PEM.
    pub fn from_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.into(), key.into());
        // Looked at before they are read: what changes in between is then read again.
        let seen = Seen::of(&certificate, &key);
        let config = Arc::new(read(&certificate, &key)?);
        Ok(Self(Arc::new(Shared { certificate, key, current: RwLock::new(Current { config, seen }) })))
    }

    /// Reads both files again, changed or not. New connections use what they hold now; if that is no
    /// good, nothing changes.
    pub fn reload(&self) -> Result<(), TlsError> {
        let seen = Seen::of(&self.0.certificate, &self.0.key);
        let outcome = read(&self.0.certificate, &self.0.key);
        let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
        current.seen = seen;
        current.config = Arc::new(outcome?);
        Ok(())
    }

    /// Reads the files again if they look different. Blocks for as long as that takes.
    fn reload_if_changed(&self) {
        let seen = Seen::of(&self.0.certificate, &self.0.key);
        if self.0.current.read().unwrap_or_else(PoisonError::into_inner).seen == seen {
            return;
        }
        match self.reload() {
            Ok(()) => tracing::info!("the TLS certificate was read again"),
            Err(error) => tracing::error!(%error, "the new TLS certificate was refused and the old one stays"),
        }
    }

    /// Looks at the files every five seconds, for ever.
    pub(crate) async fn follow(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let tls = self.clone();
            // A task that panicked has logged so, and the next look is as good.
            let _ = tokio::task::spawn_blocking(move || tls.reload_if_changed()).await;
        }
    }

    /// Does the handshake on a connection.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.0.current.read().unwrap_or_else(PoisonError::into_inner).config.clone();
        match tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
            Ok(accepted) => accepted,
            Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tls").field("certificate", &self.0.certificate).finish_non_exhaustive()
    }
}

impl Seen {
    fn of(certificate: &Path, key: &Path) -> Self {
        let look = |path: &Path| {
            let metadata: Metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Self([look(certificate), look(key)])
    }
}

fn read(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| TlsError::Unreadable(path, error)
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable(certificate))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(certificate.to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;
