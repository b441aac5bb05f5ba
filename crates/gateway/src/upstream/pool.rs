//! Connections that are kept.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use hyper::client::conn::http2;
use hyper_rustls::ConfigBuilderExt as _;
use rustls::{ClientConfig, RootCertStore};

use super::address::{Address, Protocol};
use super::connection::{self, Http1, Made};
use super::outgoing::Outgoing;

/// How long an unused HTTP/1.1 connection is kept. Node and uvicorn close theirs after 5 s, and a
/// request that is not idempotent cannot be sent again if it meets that moment.
const KEPT_FOR: Duration = Duration::from_secs(4);
/// Unused connections to one address.
const KEPT_AT_MOST: usize = 256;
/// Requests and tunnels at once at one address where each needs a connection. One upstream that hangs
/// must not take all the files that this program may open. Enough for an application with thousands of
/// WebSockets, which is better off with several addresses beyond that.
const MOST_AT_ONCE: usize = 4096;

/// Connections to upstreams, shared by all routes and kept over reloads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    /// Set when the program stops.
    stopping: tokio::sync::watch::Sender<bool>,
    /// An address that no route names any more goes, and its connections with it.
    hosts: Mutex<HashMap<Address, Weak<Host>>>,
    tls: OnceLock<Arc<ClientConfig>>,
    most_at_once: usize,
}

impl Pool {
    /// An empty one, which trusts the certificate authorities that the system trusts. They are read
    /// when the first https upstream is used, from `SSL_CERT_FILE` if that is set.
    pub(crate) fn new() -> Self {
        Self::with_at_most(MOST_AT_ONCE)
    }

    /// One with so many requests at once at one address.
    pub(super) fn with_at_most(most_at_once: usize) -> Self {
        Self(Arc::new(Shared {
            stopping: tokio::sync::watch::Sender::new(false),
            hosts: Mutex::default(),
            tls: OnceLock::new(),
            most_at_once,
        }))
    }

    /// Ends tunnels: nobody else can tell when one is done.
    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Says when [`Pool::stop`] was called.
    pub(super) fn stopping(&self) -> tokio::sync::watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    /// One that trusts these authorities only.
    #[cfg(test)]
    pub(crate) fn trusting(roots: RootCertStore) -> Self {
        let pool = Self::new();
        assert!(pool.0.tls.set(Arc::new(client_config(Some(roots)))).is_ok());
        pool
    }

    /// What is kept for an address.
    pub(super) fn host(&self, address: &Address) -> Arc<Host> {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(address).and_then(Weak::upgrade) {
            return host;
        }
        hosts.retain(|_, host| host.strong_count() > 0);
        let host = Arc::new(Host {
            shares: AtomicBool::new(address.protocol() == Protocol::H2c),
            address: address.clone(),
            idle: Mutex::default(),
            shared: Mutex::default(),
            connecting: tokio::sync::Mutex::new(()),
            in_use: AtomicUsize::new(0),
            most_at_once: self.0.most_at_once,
            pool: self.clone(),
        });
        hosts.insert(address.clone(), Arc::downgrade(&host));
        host
    }

    fn tls(&self) -> Arc<ClientConfig> {
        self.0.tls.get_or_init(|| Arc::new(client_config(None))).clone()
    }
}

/// The connections to one address.
pub(super) struct Host {
    address: Address,
    #[expect(clippy::vec_box, reason = "a connection is large and moves in and out for every request")]
    idle: Mutex<Vec<Box<Http1>>>,
    /// Whether its connections take many requests at a time: known from the start for h2c, and from
    /// the first handshake on for https.
    shares: AtomicBool,
    shared: Mutex<Option<http2::SendRequest<Outgoing>>>,
    /// Held while a shared connection is made, so that a hundred requests do not make a hundred.
    connecting: tokio::sync::Mutex<()>,
    /// Requests and tunnels of all routes.
    in_use: AtomicUsize,
    most_at_once: usize,
    pool: Pool,
}

/// A connection to send one request on.
pub(super) struct Lease {
    pub(super) connection: Made,
    /// Whether it was made for this request. One that was kept may have been closed meanwhile.
    pub(super) is_new: bool,
}

impl Host {
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Counts a request or a tunnel.
    pub(super) fn begin(&self) {
        self.in_use.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_use.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether no more requests may go there for now: each would need a connection of its own. Those that
    /// come at the same moment may be a few too many.
    pub(super) fn is_full(&self) -> bool {
        self.in_use.load(Ordering::Relaxed) >= self.most_at_once && !self.shares.load(Ordering::Relaxed)
    }

    /// A connection: a kept one, or a new one.
    pub(super) async fn lease(&self, patience: Duration) -> io::Result<Lease> {
        if let Some(connection) = self.kept() {
            return Ok(Lease { connection, is_new: false });
        }
        if !self.shares.load(Ordering::Relaxed) {
            return self.connect(patience).await;
        }
        let turn = tokio::time::timeout(patience, self.connecting.lock()).await;
        let _turn = turn.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))?;
        match self.kept() {
            Some(connection) => Ok(Lease { connection, is_new: false }),
            None => self.connect(patience).await,
        }
    }

    /// A new connection over which a tunnel can be made. HTTP/2 cannot do that here.
    pub(super) async fn lease_for_tunnel(&self, patience: Duration) -> io::Result<Box<Http1>> {
        let tls = (self.address.protocol() == Protocol::Https).then(|| {
            let mut config = (*self.pool.tls()).clone();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Arc::new(config)
        });
        match connection::connect(&self.address, tls, patience).await? {
            Made::One(connection) => Ok(connection),
            Made::Many(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Takes back a connection when its answer is complete.
    pub(super) fn give_back(&self, mut connection: Box<Http1>) {
        if !connection.is_reusable() {
            return;
        }
        connection.used = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT_AT_MOST {
            idle.push(connection);
        }
    }

    /// Closes what was not used for too long.
    pub(super) fn sweep(&self) {
        let Some(oldest) = Instant::now().checked_sub(KEPT_FOR) else { return };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // The most recently used are at the end and are taken from there.
        let stale = idle.iter().take_while(|connection| connection.used < oldest).count();
        let closing: Vec<_> = idle.drain(..stale).collect();
        drop(idle);
        drop(closing);
    }

    fn kept(&self) -> Option<Made> {
        if self.shares.load(Ordering::Relaxed) {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            match &*shared {
                Some(sender) if !sender.is_closed() => return Some(Made::Many(sender.clone())),
                _ => *shared = None,
            }
        }
        // Whether the upstream has closed it shows when the request is given to it: then the request
        // comes back unsent.
        let connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        (connection.used.elapsed() < KEPT_FOR).then_some(Made::One(connection))
    }

    async fn connect(&self, patience: Duration) -> io::Result<Lease> {
        let tls = (self.address.protocol() == Protocol::Https).then(|| self.pool.tls());
        let connection = connection::connect(&self.address, tls, patience).await?;
        if let Made::Many(sender) = &connection {
            self.shares.store(true, Ordering::Relaxed);
            *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        }
        Ok(Lease { connection, is_new: true })
    }
}

/// `None` stands for what the system trusts.
fn client_config(roots: Option<RootCertStore>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    #[expect(clippy::expect_used, reason = "it depends on nothing but how this program was compiled")]
    let builder = builder.with_protocol_versions(rustls::DEFAULT_VERSIONS).expect("TLS 1.2 and 1.3 are compiled in");
    let builder = match roots {
        Some(roots) => builder.with_root_certificates(roots),
        None => builder.clone().with_native_roots().unwrap_or_else(|error| {
            tracing::error!(%error, "no https upstream can be trusted: set SSL_CERT_FILE to a file of certificate authorities");
            builder.with_root_certificates(RootCertStore::empty())
        }),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
