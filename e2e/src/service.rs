//! Services behind Usher that check tokens by themselves: the same small one in Rust, Python and Node.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use verify::{Caller, FollowSettings, Follower, RequireToken, Settings, Verifier, follow};

use crate::process::{Process, free_address, handed_over, in_workspace};
use crate::{Answer, unix_now};

/// What a service is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `crates/verify` with axum, in the test's own process.
    Rust,
    /// `clients/python` with FastAPI.
    Python,
    /// `clients/typescript` with Node's own server.
    Node,
}

/// A running service. `/whoami` needs a token, `/verify-state` says how far it has followed.
pub struct Service {
    /// What it is written in.
    pub language: Language,
    /// Where it listens.
    pub url: String,
    client: reqwest::Client,
    running: Running,
}

enum Running {
    /// Serving, and following, for as long as they are kept.
    Here {
        _serving: Task,
        _follower: Follower,
    },
    There(Process),
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Service {
    /// Starts one and waits until it knows keys and revocations. `issuer` is Usher's public address,
    /// `usher` where it can be reached.
    pub async fn start(language: Language, issuer: &str, usher: &str, token: &str) -> Self {
        let address = free_address();
        let running = match language {
            Language::Rust => here(&address, issuer, usher, token).await,
            Language::Python => there(language, "TEST_PYTHON", "clients/python/tests/service.py"),
            Language::Node => there(language, "TEST_NODE", "clients/typescript/tests/service.mjs"),
        };
        let running = match running {
            Begun::Here(running) => running,
            Begun::There(mut command) => {
                command.env("USHER_ISSUER", issuer).env("USHER_URL", usher).env("USHER_FEED_TOKEN", token);
                command.env("PORT", address.rsplit(':').next().unwrap_or_default());
                Running::There(Process::start(&format!("the {language:?} service"), &mut command))
            }
        };
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let service = Self { language, url: format!("http://{address}"), client, running };
        service.wait_until_ready().await;
        service
    }

    /// One of each language.
    pub async fn start_all(issuer: &str, usher: &str, token: &str) -> Vec<Self> {
        let start = |language| Self::start(language, issuer, usher, token);
        // Together, for an interpreter takes a second to start.
        let (rust, python, node) = tokio::join!(start(Language::Rust), start(Language::Python), start(Language::Node));
        vec![rust, python, node]
    }

    async fn wait_until_ready(&self) {
        let is_ready = async || {
            let asked = Answer::try_of(self.client.get(format!("{}/verify-state", self.url))).await;
            asked.is_ok_and(|answer| answer.status == 200 && answer.json()["ready"] == true)
        };
        match &self.running {
            Running::There(process) => process.wait_until(is_ready).await,
            Running::Here { .. } => assert!(is_ready().await, "a follower that has waited is ready"),
        }
    }

    /// Asks `/whoami` with a token.
    pub async fn whoami(&self, token: &str) -> Answer {
        let request = self.client.request(Method::GET, format!("{}/whoami", self.url));
        Answer::of(request.bearer_auth(token)).await
    }

    /// How far it has followed: `position`, `staleness`, `ready`.
    pub async fn state(&self) -> Value {
        Answer::of(self.client.get(format!("{}/verify-state", self.url))).await.is(200).json()
    }
}

enum Begun {
    Here(Running),
    There(Command),
}

fn there(language: Language, program: &str, script: &str) -> Begun {
    let mut command = Command::new(handed_over(program));
    command.arg(in_workspace(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    if language == Language::Python {
        command.env("PYTHONUNBUFFERED", "1");
    }
    Begun::There(command)
}

async fn here(address: &str, issuer: &str, usher: &str, token: &str) -> Begun {
    let verifier = Arc::new(Verifier::new(Settings::new(issuer)));
    let follower = follow(verifier.clone(), FollowSettings::new(usher, token)).expect("settings that can be followed");
    follower.wait_ready(Duration::from_secs(30)).await.expect("Usher can be reached");
    let whoami =
        get(async |Caller(claims): Caller| Json(json!({"service": "rust", "user": claims.sub, "roles": claims.roles})));
    let state = verifier.clone();
    let verify_state = get(async move || {
        let (position, staleness) = (state.revocations().applied(), state.staleness(unix_now()));
        Json(json!({"position": position, "staleness": staleness, "ready": state.is_ready()}))
    });
    let router = Router::new()
        .route("/whoami", whoami)
        .layer(RequireToken::new(verifier))
        .route("/verify-state", verify_state)
        .route("/health", get(async || "ok"));
    let listener = TcpListener::bind(address).await.expect("a free port");
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            panic!("the Rust service ended: {error}");
        }
    });
    Begun::Here(Running::Here { _serving: Task(serving), _follower: follower })
}
