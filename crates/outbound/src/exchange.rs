//! One request and what comes of it.

use std::error::Error;
use std::io;
use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::connect::{self, Guarded};
use crate::destination::{Destination, Reach};

/// How long one exchange may take, with everything.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);
/// How many of them for each destination.
const IDLE_EACH: usize = 4;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 200;

/// What sends. Redirects are not followed: somebody named this address and no other.
pub struct Client {
    http: HttpClient<HttpsConnector<Guarded>, Full<Bytes>>,
    reach: Reach,
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// For how many seconds the other side wants to be left alone (`Retry-After` of RFC 9110 §10.2.3, in seconds).
    pub retry_after: Option<u64>,
    /// The beginning of the answer; empty if it is longer than what was to be read, or broke off. It is for programs:
    /// whoever named the address is not to read through us what is there.
    pub body: Bytes,
}

/// Nothing was answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(String);

impl Client {
    /// One for addresses within reach. An error means that TLS cannot be set up.
    pub fn new(reach: Reach) -> Result<Self, rustls::Error> {
        let http = HttpClient::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_EACH)
            .build(connect::connector(reach)?);
        Ok(Self { http, reach })
    }

    /// Which addresses it sends to.
    pub const fn reach(&self) -> Reach {
        self.reach
    }

    /// Posts a body. Of the answer, `most` bytes are kept at most; a longer one is not read to its end, and its status
    /// counts all the same.
    pub async fn post(
        &self,
        to: &Destination,
        headers: HeaderMap,
        body: impl Into<Bytes> + Send,
        most: usize,
    ) -> Result<Reply, NoAnswer> {
        let mut request = Request::new(Full::from(body.into()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = to.uri().clone();
        *request.headers_mut() = headers;
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        let answered = tokio::time::timeout_at(deadline, self.http.request(request)).await;
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(NoAnswer(explain(&error))),
            Err(_) => return Err(NoAnswer(format!("no answer within {} seconds", TIMEOUT.as_secs()))),
        };
        let (status, retry_after) = (response.status(), seconds(&response));
        // Whoever trickles has answered by then.
        let body = tokio::time::timeout_at(deadline, read(response, most)).await.unwrap_or_default();
        Ok(Reply { status, retry_after, body })
    }
}

async fn read(response: Response<Incoming>, most: usize) -> Bytes {
    Limited::new(response.into_body(), most).collect().await.map(Collected::to_bytes).unwrap_or_default()
}

fn seconds(response: &Response<Incoming>) -> Option<u64> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// Why there was no answer: the innermost cause, which names no address.
fn explain(error: &hyper_util::client::legacy::Error) -> String {
    let mut innermost: &(dyn Error + 'static) = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let timed_out = innermost.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
    let begins = match (error.is_connect(), timed_out) {
        (true, true) => return "no connection within 3 seconds".to_owned(),
        (true, false) => "no connection",
        (false, _) => "the connection broke",
    };
    let cause: String = innermost.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{begins}: {cause}").chars().take(LONGEST_REASON).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Says this to whoever connects, and then more of it for as long as it is listened to.
    async fn server(head: &'static str, piece: Vec<u8>, pause: Duration) -> Destination {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(say(head, piece.clone(), pause, async move {
                    let mut some = [0; 4096];
                    let _ = stream.read(&mut some).await;
                    stream
                }));
            }
        });
        Destination::parse(&format!("http://{address}/"), Reach::Local).unwrap()
    }

    async fn say(head: &'static str, piece: Vec<u8>, pause: Duration, stream: impl Future<Output = TcpStream>) {
        let mut stream = stream.await;
        let _ = stream.write_all(head.as_bytes()).await;
        while !piece.is_empty() && stream.write_all(&piece).await.is_ok() {
            tokio::time::sleep(pause).await;
        }
    }

    async fn post(to: &Destination, most: usize) -> Result<Reply, NoAnswer> {
        Client::new(Reach::Local).unwrap().post(to, HeaderMap::new(), "x", most).await
    }

    #[tokio::test]
    async fn h3_no_more_of_an_answer_is_read_than_is_wanted() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
        let begun = Instant::now();
        let reply = post(&server(head, vec![b'x'; 65_536], Duration::ZERO).await, 1 << 20).await.unwrap();
        assert_eq!((reply.status, reply.body.len()), (StatusCode::OK, 0));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let short = server("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}", Vec::new(), Duration::ZERO).await;
        assert_eq!(post(&short, 1 << 20).await.unwrap().body, "{}");
    }

    #[tokio::test]
    async fn h3_a_redirect_is_an_answer_and_leads_nowhere() {
        let head = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(post(&server(head, Vec::new(), Duration::ZERO).await, 16).await.unwrap().status, 307);
    }

    #[tokio::test]
    async fn h3_whoever_trickles_has_answered_and_holds_us_for_ten_seconds_at_most() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
        let trickles = server(head, vec![b'x'], Duration::from_millis(500)).await;
        let begun = Instant::now();
        assert_eq!(post(&trickles, 1 << 20).await.unwrap().status, 200);
        assert!(begun.elapsed() < TIMEOUT + Duration::from_secs(2), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_reason_says_what_went_wrong() {
        let nobody = Destination::parse("http://127.0.0.1:1/", Reach::Local).unwrap();
        let reason = post(&nobody, 16).await.unwrap_err().to_string();
        assert!(reason.starts_with("no connection: ") && reason.contains("refused"), "{reason}");
        let inside = Destination::parse("https://example.invalid/", Reach::Public).unwrap();
        assert!(post(&inside, 16).await.is_err());
    }
}
