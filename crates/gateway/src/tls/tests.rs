use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::*;

/// Writes a new certificate for `localhost` and its key; the certificate.
fn write(folder: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

/// Connects with trust in this certificate only, and says which protocol was agreed on.
async fn connect(tls: &Tls, trusted: &CertificateDer<'static>) -> io::Result<Option<Vec<u8>>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let tls = tls.clone();
    let accepting = tokio::spawn(async move { tls.accept(listener.accept().await?.0).await.map(drop) });
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    accepting.await.unwrap()?;
    Ok(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
}

#[tokio::test]
async fn a_changed_certificate_is_used_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(folder.path());
    let tls = Tls::from_files(folder.path().join("cert.pem"), folder.path().join("key.pem")).unwrap();
    assert_eq!(connect(&tls, &first).await.unwrap().as_deref(), Some(&b"h2"[..]));

    std::fs::write(folder.path().join("cert.pem"), "nonsense").unwrap();
    tls.reload_if_changed();
    assert!(matches!(tls.reload(), Err(TlsError::Empty(_))));
    connect(&tls, &first).await.unwrap();

    let second = write(folder.path());
    tls.reload_if_changed();
    connect(&tls, &second).await.unwrap();
    assert!(connect(&tls, &first).await.is_err());

    // The key of another certificate, as in the middle of an exchange of both files.
    let old_key = std::fs::read(folder.path().join("key.pem")).unwrap();
    write(folder.path());
    std::fs::write(folder.path().join("key.pem"), old_key).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Unusable(_))));
    connect(&tls, &second).await.unwrap();
    std::fs::remove_file(folder.path().join("key.pem")).unwrap();
    tls.reload_if_changed();
    connect(&tls, &second).await.unwrap();
}
