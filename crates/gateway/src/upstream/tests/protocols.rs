//! HTTP/1.1 and HTTP/2, with and without TLS, and what goes through of both.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderMap, HeaderValue, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::world::{Server, get, request, settings, text, upstreams};
use crate::tls::Tls;
use crate::upstream::{Failed, Pool, Upstreams};

/// Says how it was asked, and gives trailers back with those that came.
async fn mirror() -> Server {
    Server::start(|request| async {
        let told = format!(
            "{:?} {} {} host={:?} te={:?} connection={:?}",
            request.version(),
            request.method(),
            request.uri().path_and_query().map_or("", |path| path.as_str()),
            request
                .uri()
                .authority()
                .map(ToString::to_string)
                .or_else(|| { request.headers().get("host").map(|host| host.to_str().unwrap().to_owned()) }),
            request.headers().get("te"),
            request.headers().get("connection"),
        );
        let came = request.into_body().collect().await.unwrap();
        let trailers = came.trailers().cloned().unwrap_or_default();
        let body = came.to_bytes();
        let mut gives = HeaderMap::new();
        gives.insert("grpc-status", HeaderValue::from_static("0"));
        gives.insert("x-came", HeaderValue::from(trailers.len()));
        let frames = [
            Ok::<_, std::io::Error>(Frame::data(Bytes::from(told))),
            Ok(Frame::data(body)),
            Ok(Frame::trailers(gives)),
        ];
        let mut response = Response::new(Body::new(StreamBody::new(futures_util::stream::iter(frames))));
        response.headers_mut().insert("connection", HeaderValue::from_static("x-private"));
        response.headers_mut().insert("x-private", HeaderValue::from_static("1"));
        response
    })
    .await
}

fn body_with_trailers() -> Body {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-user-id", HeaderValue::from_static("eve"));
    let frames = [Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b" body"))), Ok(Frame::trailers(trailers))];
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

#[tokio::test]
async fn g1_http2_without_tls_carries_trailers_back_and_none_there() {
    let server = mirror().await;
    let upstreams = upstreams(&[server.url().replace("http:", "h2c:")]);
    let mut request = request("POST", "/quiz.Quiz/Ask?x=%20", body_with_trailers());
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    request.headers_mut().insert("host", HeaderValue::from_static("public.example"));
    let answered = upstreams.send(request, None).await.unwrap();
    assert_eq!(answered.response.version(), Version::HTTP_11);
    let came = answered.response.into_body().collect().await.unwrap();
    let trailers = came.trailers().cloned().unwrap();
    assert_eq!((trailers["grpc-status"].as_bytes(), trailers["x-came"].as_bytes()), (&b"0"[..], &b"0"[..]));
    let body = came.to_bytes();
    let body = String::from_utf8_lossy(&body);
    let expected = format!(
        "HTTP/2.0 POST /quiz.Quiz/Ask?x=%20 host=Some(\"{}\") te=Some(\"trailers\") connection=None body",
        server.address
    );
    assert_eq!(body, expected);
}

#[tokio::test]
async fn g1_http1_has_no_trailers_of_the_client_and_its_own_host() {
    let server = mirror().await;
    let upstreams = upstreams(&[server.url()]);
    let mut request = request("PUT", "/a//b?c", body_with_trailers());
    request.headers_mut().insert("host", HeaderValue::from_static("public.example"));
    request.headers_mut().insert("connection", HeaderValue::from_static("close"));
    let answered = upstreams.send(request, None).await.unwrap();
    assert!(!answered.response.headers().contains_key("x-private"));
    assert!(!answered.response.headers().contains_key("connection"));
    let expected = format!("HTTP/1.1 PUT /a//b?c host=Some(\"{}\") te=None connection=None body", server.address);
    assert_eq!(text(answered).await, expected);
}

#[tokio::test]
async fn a_body_with_get_is_not_lost() {
    let server = mirror().await;
    let upstreams = upstreams(&[server.url()]);
    let answered = upstreams.send(request("GET", "/", body_with_trailers()), None).await.unwrap();
    assert!(text(answered).await.ends_with(" body"));
}

#[tokio::test]
async fn g5_what_http2_says_in_several_lines_is_one_in_http1() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstreams = upstreams(&[format!("http://{}", listener.local_addr().unwrap())]);
    let heads = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut given = Vec::new();
        while !given.ends_with(b"body") {
            given.push(stream.read_u8().await.unwrap());
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok";
        stream.write_all(answer).await.unwrap();
        String::from_utf8(given).unwrap().to_lowercase()
    });
    let mut request = request("POST", "/", "body");
    for (name, value) in [("cookie", "a=1"), ("cookie", "b=2"), ("content-length", "4"), ("content-length", "4")] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    let answered = upstreams.send(request, None).await.unwrap();
    assert_eq!(answered.response.headers().get_all("content-length").iter().count(), 1);
    assert_eq!(text(answered).await, "ok");
    let head = heads.await.unwrap();
    let lines = |name: &str| head.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines("cookie"), ["cookie: a=1; b=2"]);
    assert_eq!(lines("content-length"), ["content-length: 4"]);
}

#[tokio::test]
async fn http2_needs_one_connection_for_many_requests() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("h2c://{}", listener.local_addr().unwrap());
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counting = connections.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let service = hyper::service::service_fn(|_| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok::<_, std::convert::Infallible>(Response::new(Body::from("ok")))
            });
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
                    .serve_connection(hyper_util::rt::TokioIo::new(stream), service),
            );
        }
    });
    let upstreams = upstreams(&[url]);
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let upstreams = upstreams.clone();
            tokio::spawn(async move { text(get(&upstreams, "/").await.unwrap()).await })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap(), "ok");
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// An authority of our own, and a certificate of it for `localhost` in files.
fn authority(folder: &std::path::Path) -> (RootCertStore, Tls) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("cert.pem"), leaf.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    (roots, Tls::from_files(folder.join("cert.pem"), folder.join("key.pem")).unwrap())
}

#[tokio::test]
async fn https_is_http2_and_trusts_only_whom_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let (roots, tls) = authority(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let handler = |request: http::Request<hyper::body::Incoming>, _peer| async move {
        Ok(Response::new(Body::from(format!("{:?}", request.version()))))
    };
    tokio::spawn(crate::server::serve(
        listener,
        Some(tls),
        Vec::new(),
        handler,
        std::future::pending(),
        Duration::ZERO,
    ));
    let address = format!("https://localhost:{port}");
    let trusting = Upstreams::new(settings(std::slice::from_ref(&address)), Pool::trusting(roots.clone()));
    assert_eq!(text(get(&trusting, "/").await.unwrap()).await, "HTTP/2.0");
    assert_eq!(text(get(&trusting, "/").await.unwrap()).await, "HTTP/2.0");
    let strangers = Upstreams::new(settings(&[address]), Pool::trusting(RootCertStore::empty()));
    assert_eq!(get(&strangers, "/").await.unwrap_err(), Failed::Connect);
    let other_name = Upstreams::new(settings(&[format!("https://127.0.0.1:{port}")]), Pool::trusting(roots));
    assert_eq!(get(&other_name, "/").await.unwrap_err(), Failed::Connect);
}
