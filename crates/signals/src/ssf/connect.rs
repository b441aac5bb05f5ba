//! Connections to receivers: the address is looked at after the name was resolved, so that no name can
//! lead inside, however often it changes its mind.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs::default_provider;
use tokio::net::{TcpStream, lookup_host};

use super::endpoint::Reach;

/// For how long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(5);
/// How many addresses of a name are tried.
const MOST_ADDRESSES: usize = 4;

/// Opens connections to addresses that may be reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarded(pub(super) Reach);

type Connecting = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

impl tower::Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let reach = self.0;
        Box::pin(async move { connect(&uri, reach).await.map(TokioIo::new) })
    }
}

async fn connect(uri: &Uri, reach: Reach) -> io::Result<TcpStream> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => lookup_host((host, port)).await?.collect(),
    };
    let mut failed = io::Error::new(io::ErrorKind::PermissionDenied, "the receiver's address is not a public one");
    for address in found.into_iter().filter(|address| reach.allows(address.ip())).take(MOST_ADDRESSES) {
        match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
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

/// Connections with TLS on top where the address says https. Certificates are checked against the
/// system's roots, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
pub(super) fn connector(reach: Reach) -> Result<HttpsConnector<Guarded>, rustls::Error> {
    let builder = match HttpsConnectorBuilder::new().with_provider_and_native_roots(default_provider()) {
        Ok(builder) => builder,
        Err(error) => {
            tracing::warn!(%error, "this system has no root certificates: no receiver can be pushed to by https");
            let config = rustls::ClientConfig::builder_with_provider(default_provider().into())
                .with_safe_default_protocol_versions()?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(config)
        }
    };
    Ok(builder.https_or_http().enable_http1().wrap_connector(Guarded(reach)))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn h1_no_spelling_of_an_address_leads_inside() {
        let listener = TcpListener::bind("[::]:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let spellings = [
            "127.0.0.1",
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
        for host in spellings {
            // Some are no address at all to the parser or to the resolver, which is as good.
            let Ok(uri) = format!("https://{host}:{port}/").parse::<Uri>() else { continue };
            assert!(connect(&uri, Reach::Public).await.is_err(), "{host}");
        }
        let reached = tokio::time::timeout(Duration::from_millis(200), listener.accept()).await;
        assert!(reached.is_err(), "somebody connected");
        let own = format!("http://localhost:{port}/").parse().unwrap();
        assert!(connect(&own, Reach::Local).await.is_ok());
    }
}
