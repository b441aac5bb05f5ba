//! Certificates for a test, and requests over TLS and over HTTP/2.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A certificate that a test has made, in its files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate's file, PEM.
    pub certificate: PathBuf,
    /// The key's file, PEM.
    pub key: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Writes a new one for `localhost` into a folder, over one that is there.
    pub fn write(folder: &Path) -> Self {
        let made = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let CertifiedKey { cert, signing_key } = made;
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&key, signing_key.serialize_pem()).expect("a file");
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its owner's alone");
        std::fs::write(&certificate, cert.pem()).expect("a file");
        Self { certificate, key, der: cert.der().clone() }
    }

    /// GETs a path over TLS, trusting this certificate alone: the status, or why there was no answer.
    pub async fn get(&self, address: &str, path: &str, over_http2: bool) -> Result<u16, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).map_err(|error| error.to_string())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.expect("TLS 1.2 and 1.3").with_root_certificates(roots).with_no_client_auth();
        let protocol = if over_http2 { "h2" } else { "http/1.1" };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let stream = stream.map_err(|error| error.to_string())?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()), "the protocol that was offered");
        let port = address.rsplit(':').next().unwrap_or_default();
        let request = Request::get(path).header("host", format!("localhost:{port}"));
        let answer = if over_http2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let request = Request::get(format!("https://localhost:{port}{path}")).body(Body::empty());
            sender.send_request(request.expect("a request")).await
        } else {
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            sender.send_request(request.body(Body::empty()).expect("a request")).await
        };
        answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    }
}

/// Sends a request over HTTP/2 without TLS; the answer read to its end, or why there was none.
pub async fn send_http2(address: &str, request: Request<Body>) -> Result<Response<Bytes>, String> {
    let stream = TcpStream::connect(address.trim_start_matches("http://")).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok(Response::from_parts(parts, body))
}
