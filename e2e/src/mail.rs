//! A mail server (RFC 5321) that keeps what it is sent, and whose mailboxes do as their names say.
//!
//! `later-…@` is told 450, `never-…@` 550, `hang-…@` nothing at all, and `trickle-…@` gets its answer one byte a second.
//! The server as a whole can be silent, out of order, or have a certificate that nobody knows.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::logs::lock;
use crate::{Certificate, PATIENCE};

/// What the server as a whole does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailManner {
    /// It serves.
    Serves,
    /// It accepts connections and says nothing.
    Silent,
    /// It says 421 and hangs up, whatever connections there were.
    OutOfOrder,
    /// Every recipient is told this.
    Says(&'static str),
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// What came between `DATA` and the dot.
    pub source: String,
    /// When.
    pub at: Instant,
    /// When the connection began over which it came.
    pub connected_at: Instant,
    /// Whether it came over TLS.
    pub over_tls: bool,
    /// Who handed it over, where they said it.
    pub user: Option<String>,
}

impl Mail {
    /// The value of a header, unfolded; of the first of that name.
    pub fn header(&self, name: &str) -> Option<String> {
        let unfolded = self.source.replace("\r\n ", " ").replace("\r\n\t", " ");
        let head = unfolded.split("\r\n\r\n").next()?.to_owned();
        let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    }

    /// The names of all headers.
    pub fn headers(&self) -> Vec<String> {
        let head = self.source.split("\r\n\r\n").next().unwrap_or_default();
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        lines.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
    }

    /// Its text, of the part that is not HTML, decoded.
    pub fn text(&self) -> String {
        self.part("text/plain")
    }

    /// Its HTML, decoded.
    pub fn html(&self) -> String {
        self.part("text/html")
    }

    fn part(&self, kind: &str) -> String {
        let start = self.source.find(&format!("Content-Type: {kind}")).expect("the part is there");
        let (head, body) = self.source[start..].split_once("\r\n\r\n").expect("a body");
        let boundary =
            self.source.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a boundary");
        let body = body.split(&format!("\r\n--{boundary}")).next().unwrap_or_default();
        let encoding = head.lines().find_map(|line| line.strip_prefix("Content-Transfer-Encoding: "));
        match encoding.unwrap_or("7bit") {
            "quoted-printable" => unquoted(body),
            "base64" => {
                let packed: String = body.split_whitespace().collect();
                let bytes = base64::engine::general_purpose::STANDARD.decode(packed).expect("base64");
                String::from_utf8(bytes).expect("UTF-8")
            }
            _ => body.to_owned(),
        }
    }
}

/// RFC 2045 §6.7.
fn unquoted(text: &str) -> String {
    let text = text.replace("=\r\n", "");
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, more @ ..] = rest {
        if *first == b'='
            && let Some(byte) =
                more.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok())
        {
            bytes.push(byte);
            rest = &more[2..];
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

struct Shared {
    manner: Mutex<MailManner>,
    mails: Mutex<Vec<Mail>>,
    tls: Option<TlsAcceptor>,
    implicit: bool,
}

/// A running mail server; it ends with the test.
pub struct MailServer {
    /// Where it listens.
    pub address: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl MailServer {
    /// One without TLS.
    pub async fn start() -> Self {
        Self::start_with(None, false).await
    }

    /// One with this certificate, by STARTTLS or from the first byte.
    pub async fn with_tls(certificate: &Certificate, implicit: bool) -> Self {
        Self::start_with(Some(certificate), implicit).await
    }

    async fn start_with(certificate: Option<&Certificate>, implicit: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let shared = Arc::new(Shared {
            manner: Mutex::new(MailManner::Serves),
            mails: Mutex::default(),
            tls: certificate.map(|certificate| TlsAcceptor::from(Arc::new(server_config(certificate)))),
            implicit,
        });
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                // A client that goes away is its own affair.
                tokio::spawn(async move { drop(serve(stream, &serving).await) });
            }
        });
        Self { address, shared, task }
    }

    /// The value of `mail.url` that leads here.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// From now on it does this.
    pub fn set_manner(&self, manner: MailManner) {
        *lock(&self.shared.manner) = manner;
    }

    /// What it has taken.
    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.shared.mails).clone()
    }

    /// What it has taken for an address.
    pub fn mails_to(&self, address: &str) -> Vec<Mail> {
        self.mails().into_iter().filter(|mail| mail.to.iter().any(|to| to == address)).collect()
    }

    /// Waits until there are so many mails for an address.
    pub async fn wait_for(&self, address: &str, count: usize) -> Vec<Mail> {
        let begun = Instant::now();
        loop {
            let mails = self.mails_to(address);
            if mails.len() >= count {
                return mails;
            }
            assert!(begun.elapsed() < PATIENCE, "{} of {count} mails came to {address}", mails.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn server_config(certificate: &Certificate) -> ServerConfig {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_file_iter(&certificate.certificate).expect("a certificate");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&certificate.key).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.expect("TLS 1.2 and 1.3").with_no_client_auth().with_single_cert(chain, key).expect("a pair")
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Wire = BufReader<Box<dyn Stream>>;

async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let (manner, connected_at) = (*lock(&shared.manner), Instant::now());
    if manner == MailManner::Silent {
        return std::future::pending().await;
    }
    let mut over_tls = false;
    let stream: Box<dyn Stream> = match (&shared.tls, shared.implicit) {
        (Some(tls), true) => {
            over_tls = true;
            Box::new(tls.accept(stream).await?)
        }
        _ => Box::new(stream),
    };
    let mut wire: Wire = BufReader::new(stream);
    if manner == MailManner::OutOfOrder {
        return say(&mut wire, "421 mail.test closing").await;
    }
    say(&mut wire, "220 mail.test ESMTP").await?;
    let (mut from, mut to, mut user) = (String::new(), Vec::new(), None);
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if *lock(&shared.manner) == MailManner::OutOfOrder {
            return say(&mut wire, "421 mail.test closing").await;
        }
        let line = line.trim_end();
        let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "EHLO" => {
                let starttls = if shared.tls.is_some() && !over_tls { "250-STARTTLS\r\n" } else { "" };
                say(&mut wire, &format!("250-mail.test\r\n{starttls}250-AUTH PLAIN\r\n250-8BITMIME\r\n250 SMTPUTF8"))
                    .await?;
            }
            "STARTTLS" => {
                say(&mut wire, "220 go ahead").await?;
                let Some(tls) = &shared.tls else { return Ok(()) };
                wire = BufReader::new(Box::new(tls.accept(wire.into_inner()).await?));
                over_tls = true;
            }
            "AUTH" => {
                let plain = line.rsplit(' ').next().unwrap_or_default();
                let plain = base64::engine::general_purpose::STANDARD.decode(plain).unwrap_or_default();
                let plain = String::from_utf8_lossy(&plain).into_owned();
                user = plain.split('\0').nth(1).map(str::to_owned);
                let good = plain.ends_with("\0right");
                say(&mut wire, if good { "235 welcome" } else { "535 no" }).await?;
            }
            "MAIL" => {
                from = between(line);
                to.clear();
                say(&mut wire, "250 ok").await?;
            }
            "RCPT" => {
                let (address, manner) = (between(line), *lock(&shared.manner));
                if answer_recipient(&mut wire, &address, manner).await? {
                    to.push(address);
                }
            }
            "DATA" => {
                say(&mut wire, "354 go ahead").await?;
                let source = read_data(&mut wire).await?;
                let mail = Mail {
                    from: from.clone(),
                    to: to.clone(),
                    source,
                    at: Instant::now(),
                    connected_at,
                    over_tls,
                    user: user.clone(),
                };
                lock(&shared.mails).push(mail);
                say(&mut wire, "250 taken").await?;
            }
            "QUIT" => return say(&mut wire, "221 bye").await,
            _ => say(&mut wire, "250 ok").await?,
        }
    }
}

/// What stands between the angle brackets.
fn between(line: &str) -> String {
    line.split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(inside, _)| inside.to_owned())
        .unwrap_or_default()
}

/// Whether the recipient was taken.
async fn answer_recipient(wire: &mut Wire, address: &str, manner: MailManner) -> std::io::Result<bool> {
    if let MailManner::Says(answer) = manner {
        say(wire, answer).await?;
        return Ok(answer.starts_with('2'));
    }
    let (name, _) = address.split_once('-').unwrap_or((address, ""));
    match name {
        "later" => say(wire, &format!("450 4.2.0 <{address}> try again later")).await.map(|()| false),
        "never" => say(wire, &format!("550 5.1.1 <{address}> no such mailbox")).await.map(|()| false),
        "hang" => std::future::pending().await,
        "trickle" => {
            for byte in b"250 ok, at last, after what must have been a long time\r\n" {
                wire.get_mut().write_all(&[*byte]).await?;
                wire.get_mut().flush().await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok(true)
        }
        _ => say(wire, "250 ok").await.map(|()| true),
    }
}

async fn read_data(wire: &mut Wire) -> std::io::Result<String> {
    let mut source = String::new();
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == ".\r\n" {
            return Ok(source);
        }
        // RFC 5321 §4.5.2.
        source.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

async fn say(wire: &mut Wire, text: &str) -> std::io::Result<()> {
    wire.get_mut().write_all(format!("{text}\r\n").as_bytes()).await?;
    wire.get_mut().flush().await
}
