//! Shared Signals from the real program to a receiver that really listens: how soon a sign-out has left,
//! and that nothing is lost when the receiver is away and the program is killed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::{Answer, TestApp, User, on_both};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What E10 of assurance.md allows.
const LIMIT: Duration = Duration::from_secs(5);
/// A process that was killed in the middle of a push holds its stream for half a minute.
const AFTER_A_KILL: Duration = Duration::from_secs(45);

/// A receiver that takes everything, while it listens.
struct Receiver {
    address: String,
    got: Arc<Mutex<Vec<String>>>,
    task: Option<JoinHandle<()>>,
}

impl Receiver {
    async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut receiver = Self { address, got: Arc::default(), task: None };
        receiver.serve(listener);
        receiver
    }

    fn serve(&mut self, listener: TcpListener) {
        let got = self.got.clone();
        let router = Router::new().fallback(move |token: String| {
            got.lock().unwrap().push(token);
            async { StatusCode::ACCEPTED }
        });
        self.task = Some(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
    }

    /// It is gone. Connections that were open end when their next request is refused.
    async fn goes(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    async fn comes_back(&mut self) {
        let listener = TcpListener::bind(&self.address).await.unwrap();
        self.serve(listener);
    }

    fn tokens(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }

    /// The sessions that it was told are over.
    fn sessions(&self) -> HashSet<String> {
        let session = |token: &String| claims(token)["sub_id"]["session"]["id"].as_str().map(str::to_owned);
        self.tokens().iter().filter_map(session).collect()
    }

    /// Waits until it was told of all these.
    async fn knows(&self, sessions: &HashSet<String>, limit: Duration) {
        let begun = Instant::now();
        while !self.sessions().is_superset(sessions) {
            assert!(begun.elapsed() < limit, "{} of {} came", self.sessions().len(), sessions.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn claims(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Gives the receiver its stream, which pushes.
async fn connect(app: &TestApp, receiver: &Receiver) {
    let token = app.cli_ok(&["receiver", "create", "siem", "--audience", "https://siem.example.com"]).await;
    let endpoint = format!("http://{}/events", receiver.address);
    let body = json!({"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": endpoint}});
    let request = app.request(reqwest::Method::POST, "/api/v1/ssf/stream").bearer_auth(token.trim()).json(&body);
    Answer::of(request).await.is(201);
}

async fn people(app: &TestApp, names: &str, count: usize) -> Vec<User> {
    let mut people = Vec::new();
    for number in 0..count {
        people.push(app.user(&format!("{names}{number}")).await);
    }
    people
}

on_both! {
    async fn e10_a_sign_out_has_left_within_five_seconds(app: TestApp) {
        let receiver = Receiver::listen().await;
        connect(&app, &receiver).await;
        for user in people(&app, "ann", 30).await {
            user.logout().await.is(204);
            receiver.knows(&[user.session.clone()].into(), LIMIT).await;
        }
    }

    async fn e1_no_door_takes_an_event_for_an_access_token(app: TestApp) {
        let receiver = Receiver::listen().await;
        connect(&app, &receiver).await;
        let (ann, bob) = (app.user("ann").await, app.user("bob").await);
        ann.logout().await.is(204);
        receiver.knows(&[ann.session.clone()].into(), LIMIT).await;
        let token = receiver.tokens().remove(0);
        let kid = part(&token, 0)["kid"].clone();
        let has = |keys: &Value| keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid);
        assert!(has(&app.get("/.well-known/ssf-jwks.json").await.is(200).json()));
        assert!(!has(&app.get("/.well-known/jwks.json").await.is(200).json()));
        let request = app.request(reqwest::Method::GET, "/api/v1/auth/me").bearer_auth(&token);
        Answer::of(request).await.is_problem(401, "unauthenticated");
        assert!(bob.is_signed_in().await);
    }

    async fn e10_nothing_is_lost_when_the_receiver_is_away_and_the_program_is_killed(app: TestApp) {
        let mut receiver = Receiver::listen().await;
        connect(&app, &receiver).await;
        let mut ended = HashSet::new();
        for round in 0..3 {
            let people = people(&app, &format!("round{round}-"), 6).await;
            let (here, away) = people.split_at(3);
            // Some leave while it listens, and the program may be in the middle of telling.
            for user in here {
                user.logout().await.is(204);
            }
            receiver.goes().await;
            for user in away {
                user.logout().await.is(204);
            }
            app.kill9();
            ended.extend(people.iter().map(|user| user.session.clone()));
            receiver.comes_back().await;
            app.start().await;
            receiver.knows(&ended, AFTER_A_KILL).await;
        }
        assert_eq!(receiver.sessions(), ended);
        // What came twice, because an answer was lost, came with the same id.
        let told: HashSet<(String, String)> = receiver.tokens().iter().map(|token| {
            let claims = claims(token);
            (claims["jti"].to_string(), claims["sub_id"].to_string())
        }).collect();
        assert_eq!(told.len(), ended.len());
    }
}
