//! HAProxy, as a user of it would do what the gateway does: plain proxying, and a token's signature, issuer,
//! audience and time checked, a limit by user and the user's id told to the application.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use xtask::postgres::free_port;

use super::machine::{CpuMeter, spawn_measured};
use super::tokens::{ISSUER, Signer};

/// A running one; it ends with this value.
pub struct Haproxy {
    process: Child,
    pub cpu: CpuMeter,
    pub plain: u16,
    /// With RS256, and with ES256.
    pub checked: [Checked; 2],
}

/// A port at which tokens are checked.
pub struct Checked {
    pub port: u16,
    pub signer: Signer,
}

/// What is installed, in its own words: `HAProxy version 2.6.12…`. `None` if nothing is.
pub fn version() -> Option<String> {
    let output = Command::new("haproxy").arg("-v").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next()?.split_whitespace().nth(2).map(str::to_owned)
}

impl Haproxy {
    /// Starts it on the measured core, with one thread, before this upstream.
    pub fn start(folder: &Path, upstream: u16) -> Result<Self> {
        let plain = free_port()?;
        let checked =
            [Signer::rs256()?, Signer::es256()?].map(|signer| anyhow::Ok(Checked { port: free_port()?, signer }));
        let [first, second] = checked;
        let checked = [first?, second?];
        let mut text = beginning(plain, upstream);
        for Checked { port, signer } in &checked {
            let key = folder.join(format!("{}.pem", signer.algorithm()));
            std::fs::write(&key, signer.public_pem()?).context("cannot write a public key")?;
            text.push_str(&frontend(*port, signer.algorithm(), &key));
        }
        let file: PathBuf = folder.join("haproxy.cfg");
        std::fs::write(&file, text).context("cannot write HAProxy's configuration")?;
        let process = spawn_measured(Command::new("haproxy").arg("-db").arg("-f").arg(&file).stdin(Stdio::null()))?;
        let mut haproxy = Self { cpu: CpuMeter::new(process.id()), process, plain, checked };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", plain)).is_err() {
            if let Some(status) = haproxy.process.try_wait()? {
                bail!("HAProxy ended at once with {status}");
            }
            if begun.elapsed() > Duration::from_secs(10) {
                bail!("HAProxy did not answer");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(haproxy)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn beginning(plain: u16, upstream: u16) -> String {
    format!(
        "\
global
  nbthread 1
  maxconn 1000

defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
  http-reuse always

backend application
  server one 127.0.0.1:{upstream}

backend users
  stick-table type string len 40 size 100k expire 10m store http_req_rate(10s)

frontend plain
  bind 127.0.0.1:{plain}
  default_backend application
"
    )
}

fn frontend(port: u16, algorithm: &str, key: &Path) -> String {
    let key = key.display();
    format!(
        "
frontend {algorithm}
  bind 127.0.0.1:{port}
  option forwardfor
  unique-id-format %{{+X}}o%ci%cp%Ts%rt
  unique-id-header X-Request-Id
  http-request deny deny_status 401 unless {{ http_auth_bearer -m found }}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str {algorithm} }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,\"{key}\") -m int 1 }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.iss') -m str {ISSUER} }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.aud') -m str {ISSUER} }}
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 if {{ var(txn.bearer),jwt_payload_query('$.exp','int'),sub(txn.now) -m int lt 0 }}
  http-request set-var(txn.user) var(txn.bearer),jwt_payload_query('$.sub')
  http-request track-sc0 var(txn.user) table users
  http-request deny deny_status 429 if {{ sc_http_req_rate(0,users) gt 10000000 }}
  http-request set-header X-User-Id %[var(txn.user)]
  http-request set-header X-Session-Id %[var(txn.bearer),jwt_payload_query('$.sid')]
  http-request set-header X-User-Scope %[var(txn.bearer),jwt_payload_query('$.scope')]
  default_backend application
"
    )
}
