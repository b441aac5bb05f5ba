//! Connections: the address is looked at after the name was resolved, and it is that one that is connected to. So no
//! name can lead inside, however often it changes its mind.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs::default_provider;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;

use crate::destination::{Reach, bare};

/// For how long a name may take to be resolved and connected to, with all of its addresses.
const CONNECT: Duration = Duration::from_secs(3);
/// How many addresses of a name are tried.
const MOST_ADDRESSES: usize = 4;
/// How many names are looked up at once in this process. Each takes a thread of those for blocking work until the system's
/// resolver gives up, whoever still waits for it: names of strangers must not take them all.
static LOOKUPS: Semaphore = Semaphore::const_new(32);

/// What a name leads to, and what is behind an address: the network, or what a test has put in its place.
pub(crate) trait Network: Clone + Send + Sync + 'static {
    /// The addresses of a name.
    fn resolve(&self, host: String, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// A connection to one of them.
    fn dial(&self, address: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> + Send;
}

/// The network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Internet;

impl Network for Internet {
    async fn resolve(&self, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        let place = LOOKUPS.acquire().await.map_err(io::Error::other)?;
        // In a task of its own: when the time of whoever asked is over, the thread is not, and keeps its place.
        let looking = tokio::spawn(async move {
            let found = lookup_host((host, port)).await?.collect();
            drop(place);
            Ok(found)
        });
        looking.await.map_err(io::Error::other)?
    }

    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }
}

/// Opens connections to addresses that may be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guarded<N = Internet> {
    reach: Reach,
    network: N,
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

impl<N: Network> tower::Service<Uri> for Guarded<N> {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let guarded = self.clone();
        Box::pin(async move {
            let connected = tokio::time::timeout(CONNECT, guarded.connect(&uri)).await;
            connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(TokioIo::new)
        })
    }
}

impl<N: Network> Guarded<N> {
    /// Resolves once, looks at what came, and connects to nothing else.
    async fn connect(&self, uri: &Uri) -> io::Result<TcpStream> {
        let host = bare(uri.host().unwrap_or_default());
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.network.resolve(host.to_owned(), port).await?,
        };
        let allowed: Vec<SocketAddr> =
            found.into_iter().filter(|address| self.reach.allows(address.ip())).take(MOST_ADDRESSES).collect();
        let mut failed = io::Error::new(io::ErrorKind::PermissionDenied, "it is not at a public address");
        // One that says nothing must not use up the time of those after it.
        let share = CONNECT / u32::try_from(allowed.len().max(1)).unwrap_or(1);
        for address in allowed {
            match tokio::time::timeout(share, self.network.dial(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failed = error,
                Err(_) => failed = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failed)
    }
}

/// Connections with TLS on top where the address says https. Certificates are checked against the
/// system's roots, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
pub(crate) fn connector(reach: Reach) -> Result<HttpsConnector<Guarded>, rustls::Error> {
    let builder = match HttpsConnectorBuilder::new().with_provider_and_native_roots(default_provider()) {
        Ok(builder) => builder,
        Err(error) => {
            tracing::warn!(%error, "this system has no root certificates: nobody can be sent anything by https");
            let config = rustls::ClientConfig::builder_with_provider(default_provider().into())
                .with_safe_default_protocol_versions()?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(config)
        }
    };
    Ok(builder.https_or_http().enable_http1().wrap_connector(Guarded { reach, network: Internet }))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn h1_no_spelling_of_an_address_leads_inside() {
        let listener = TcpListener::bind("[::]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let spellings = [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "017700000001",
            "0177.0.0.1",
            "0",
            "0.0.0.0",
            "localhost",
            "localhost.",
            "LOCALHOST",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:0:0:1]",
            "[64:ff9b::7f00:1]",
        ];
        let public = Guarded { reach: Reach::Public, network: Internet };
        for host in spellings {
            // Some are no address at all to the parser or to the resolver, which is as good.
            let Ok(uri) = format!("https://{host}:{port}/").parse::<Uri>() else { continue };
            assert!(public.connect(&uri).await.is_err(), "{host}");
        }
        let reached = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
        assert!(reached.is_err(), "somebody connected");
        let own = format!("http://localhost:{port}/").parse().unwrap();
        assert!(Guarded { reach: Reach::Local, network: Internet }.connect(&own).await.is_ok());
    }

    /// A name that leads to something else whenever it is asked, and what was connected to.
    #[derive(Clone, Default)]
    struct Rebinding {
        answers: Arc<Mutex<VecDeque<Vec<SocketAddr>>>>,
        dialled: Arc<Mutex<Vec<SocketAddr>>>,
    }

    impl Network for Rebinding {
        async fn resolve(&self, _: String, _: u16) -> io::Result<Vec<SocketAddr>> {
            self.answers.lock().unwrap().pop_front().ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
            self.dialled.lock().unwrap().push(address);
            Err(io::ErrorKind::ConnectionRefused.into())
        }
    }

    #[tokio::test]
    async fn h2_a_name_that_changes_its_mind_leads_nowhere_inside() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let (public, inside) = (address("1.1.1.1:443"), address("127.0.0.1:443"));
        let uri: Uri = "https://rebinds.example.com/".parse().unwrap();
        let network = Rebinding::default();
        network.answers.lock().unwrap().extend([vec![public], vec![inside]]);
        let guarded = Guarded { reach: Reach::Public, network: network.clone() };
        assert!(guarded.connect(&uri).await.is_err());
        // It was asked once, and what it said then is what was connected to; the second answer is still there.
        assert_eq!(*network.dialled.lock().unwrap(), [public]);
        assert_eq!(network.answers.lock().unwrap().len(), 1);
        let second = guarded.connect(&uri).await.unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(*network.dialled.lock().unwrap(), [public], "the second answer was not connected to");
        // Of several addresses only those outside are tried.
        network.answers.lock().unwrap().push_back(vec![inside, public, address("[::ffff:10.0.0.1]:443")]);
        assert!(guarded.connect(&uri).await.is_err());
        assert_eq!(*network.dialled.lock().unwrap(), [public, public]);
    }
}
