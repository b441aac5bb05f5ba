//! Following over TLS, with a certificate that the system trusts and with one that it does not.

use std::process::Command;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::follow::{PATIENT, SOON, eventually, settings};
use super::server::Server;
use super::*;
use crate::follow;
use crate::follow::{Failed, Trouble};

/// The system's roots are those of `SSL_CERT_FILE`, and a process cannot change its own environment
/// safely. So the test is run again in a process that has it from the beginning.
#[test]
fn only_a_server_with_a_trusted_certificate_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    let trusted = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&roots, trusted.cert.pem()).unwrap();
    let key = folder.path().join("key.der");
    std::fs::write(&key, trusted.signing_key.serialize_der()).unwrap();
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "tests::follow_tls::in_a_process_with_its_own_roots"])
        .env("SSL_CERT_FILE", &roots)
        .env("TEST_SERVER_KEY", &key)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "run by the test above"]
async fn in_a_process_with_its_own_roots() {
    let server = Server::start().await;
    let pem = std::fs::read_to_string(std::env::var("SSL_CERT_FILE").unwrap()).unwrap();
    let key = std::fs::read(std::env::var("TEST_SERVER_KEY").unwrap()).unwrap();
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let certificate = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    let trusted = before(&server, certificate, key).await;
    let untrusted = before(&server, stranger.cert.der().to_vec(), stranger.signing_key.serialize_der()).await;

    for (url, is_trusted) in [
        (format!("https://localhost:{trusted}"), true),
        (format!("https://localhost:{untrusted}"), false),
        // The certificate is for another name.
        (format!("https://127.0.0.1:{trusted}"), false),
    ] {
        let verifier = Arc::new(verifier_without_keys());
        let mut settings = settings(&server, PATIENT);
        settings.url = url;
        let follower = follow(Arc::clone(&verifier), settings).unwrap();
        if is_trusted {
            follower.wait_ready(SOON).await.unwrap();
        } else {
            eventually("both were tried", || {
                let stats = verifier.stats(NOW);
                stats.feed_failures > 1 && stats.key_fetches_failed > 1
            })
            .await;
            let failed = [Trouble::Feed(Failed::Connection), Trouble::KeysNotFetched(Failed::Connection)];
            assert!(failed.contains(&follower.last_trouble().unwrap()));
            assert!(!follower.is_ready());
        }
    }
}

/// Puts TLS before the server and gives the port.
async fn before(server: &Server, certificate: Vec<u8>, key: Vec<u8>) -> u16 {
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], PrivateKeyDer::Pkcs8(key.into()))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), server.address);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(behind).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    port
}
