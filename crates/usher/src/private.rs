//! The private address: metrics, health in detail, the configuration with secrets masked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use storage::{Db, ledger};
use verify::Verifier;

/// Whether requests should come here: started, not stopping, and the database answers.
#[derive(Clone)]
pub struct Readiness {
    serving: Arc<AtomicBool>,
    database: Arc<AtomicBool>,
    /// In a gateway alone: what has to have heard from the services once.
    verifier: Option<Arc<Verifier>>,
}

/// How often the database is asked whether it is there.
const PROBE: Duration = Duration::from_secs(2);

impl Readiness {
    /// Ready, as far as is known.
    pub fn new() -> Self {
        let yes = || Arc::new(AtomicBool::new(true));
        Self { serving: yes(), database: yes(), verifier: None }
    }

    /// The same for a gateway alone, which is of no use before it knows keys and revocations.
    pub fn with_verifier(self, verifier: Arc<Verifier>) -> Self {
        Self { verifier: Some(verifier), ..self }
    }

    /// Says that no new requests should come.
    pub fn stop(&self) {
        self.serving.store(false, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.serving.load(Ordering::Acquire)
            && self.database.load(Ordering::Acquire)
            && self.verifier.as_ref().is_none_or(|verifier| verifier.is_ready())
    }

    /// Asks the database now and then, so that no request has to.
    pub async fn probe(&self, db: &Db) {
        loop {
            let answered = tokio::time::timeout(PROBE, async { ledger::newest(&mut db.read().await?).await }).await;
            let up = matches!(answered, Ok(Ok(_)));
            if self.database.swap(up, Ordering::AcqRel) != up {
                if up {
                    tracing::info!("the database is back");
                } else {
                    tracing::error!("the database does not answer");
                }
            }
            tokio::time::sleep(PROBE).await;
        }
    }
}

/// `/health/live` and `/health/ready`, for everybody: the status only.
pub fn public_health(readiness: Readiness) -> Router {
    Router::new()
        .route("/health/live", get(|| async { Json(json!({ "status": "ok" })) }))
        .route("/health/ready", get(ready))
        .with_state(readiness)
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    if readiness.is_ready() {
        Json(json!({ "status": "ok" })).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unavailable" }))).into_response()
    }
}

/// What the private address shows.
#[derive(Clone)]
pub struct Private {
    /// What is measured.
    pub registry: Arc<Registry>,
    /// Whether it is ready.
    pub readiness: Readiness,
    /// The database, where there is one.
    pub db: Option<Db>,
    /// When it was started.
    pub started: Instant,
    /// The configuration, secrets masked.
    pub config: Arc<Value>,
}

/// The private address's calls.
pub fn router(private: Private) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(|| async { Json(json!({ "status": "ok" })) }))
        .route("/health/ready", get(details))
        .route("/debug/config", get(|State(private): State<Private>| async move { Json((*private.config).clone()) }))
        .with_state(private)
}

async fn metrics(State(private): State<Private>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &private.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn details(State(private): State<Private>) -> Response {
    let asked = Instant::now();
    let newest = match &private.db {
        None => Ok(None),
        Some(db) => match db.read().await {
            Ok(mut read) => ledger::newest(&mut read).await.map(Some),
            Err(error) => Err(error),
        },
    };
    let database = match &newest {
        Ok(None) => json!({ "status": "none" }),
        Ok(Some(_)) => json!({ "status": "ok", "took_ms": asked.elapsed().as_secs_f64() * 1000.0 }),
        Err(error) => json!({ "status": "unavailable", "cause": error.to_string() }),
    };
    let ready = private.readiness.is_ready() && newest.is_ok();
    let body = json!({
        "status": if ready { "ok" } else { "unavailable" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": private.started.elapsed().as_secs(),
        "database": database,
        "ledger_index": newest.ok().flatten(),
    });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}
