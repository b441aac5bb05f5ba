//! Running the server: open everything, put the services behind the door, serve, stop well.

#![expect(clippy::print_stdout, reason = "the address and the first link are for the person who started it")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use auth::Auth;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::routing::get;
use gateway::{AccessLog, Gateway, Metrics, server};
use kernel::Clock;
use pages::Pages;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use verify::Verifier;

use crate::config::{self, Checked};
use crate::private::{self, Private, Readiness};
use crate::revocations::Applier;
use crate::setup::Absent;
use crate::{control, logs, metrics, openapi, setup};

/// How long requests that are under way may take to finish.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many checked tokens are remembered, about 1 KiB each.
const KNOWN_TOKENS: usize = 8_192;
/// How often keys, revocations and old rows are looked after.
const UPKEEP: Duration = Duration::from_secs(30);

/// Runs until SIGTERM or SIGINT.
pub async fn run(checked: Checked) -> Result<()> {
    let started = Instant::now();
    let filter = EnvFilter::try_new(&checked.config.log.level)?;
    logs::start(checked.log_format, filter);
    let listener = bind("listen", checked.listen).await?;
    let private_listener = bind("private_listen", checked.private_listen).await?;
    let public_url = checked.public_url(listener.local_addr()?);

    let auth = setup::open(&checked, public_url.clone(), Absent::Make).await?;
    auth.keys().keep_fresh().await?;
    auth::recover(&auth).await?;
    let verifier = Arc::new(Verifier::new(verify::Settings {
        issuer: public_url.clone(),
        audience: public_url.clone(),
        leeway_seconds: 60,
        cache_capacity: KNOWN_TOKENS,
    }));
    load_keys(&auth, &verifier);
    let applier = Applier::new(verifier.clone(), Clock::system());
    let at_commit = applier.clone();
    auth.db()
        .on_commit(Box::new(move |events| at_commit.apply(events.iter().filter_map(|event| event.revokes.as_ref()))));
    let position = applier.catch_up(auth.db()).await?;
    control::listen(&checked.config.data_dir, auth.clone())?;

    let readiness = Readiness::new();
    let mut registry = Registry::default();
    let door = Metrics::register(&mut registry);
    registry.register_collector(Box::new(metrics::Services { auth: auth.clone(), verifier: verifier.clone() }));
    let access_log = checked.config.log.access.then(|| AccessLog::start(checked.log_format));
    let gateway = Arc::new(Gateway::new(
        services(&auth, &readiness),
        verifier.clone(),
        Clock::system(),
        gateway::Settings {
            limits: checked.config.limits.enabled,
            trusted_proxies: checked.trusted_proxies.clone(),
            https: public_url.starts_with("https://"),
            problem_page: pages::problem_page,
            access_log: access_log.clone(),
        },
        door,
    ));
    let private = private::router(Private {
        registry: Arc::new(registry),
        readiness: readiness.clone(),
        db: auth.db().clone(),
        started,
        config: Arc::new(masked(&checked)),
    });

    let (stop, stopped) = watch::channel(false);
    let background = spawn_background(&auth, &verifier, &applier, position, &readiness);
    let private_server = tokio::spawn(serve_private(private_listener, private, stopped.clone()));
    greet(&auth, &public_url, &checked, started).await?;
    tokio::spawn(wait_for_signal(stop, readiness));

    let handler = move |request, peer| {
        let gateway = gateway.clone();
        async move { gateway.handle(request, peer).await }
    };
    let finished = server::serve(listener, handler, until(stopped), PATIENCE).await;
    if !finished {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    for task in background {
        task.abort();
    }
    private_server.abort();
    auth.db().close().await;
    if let Some(log) = access_log {
        log.flush();
    }
    tracing::info!("stopped");
    Ok(())
}

/// All services behind the door.
fn services(auth: &Auth, readiness: &Readiness) -> Router {
    let (api, document) = openapi::services(auth);
    let text = Bytes::from(document.to_string());
    let openapi = Router::new()
        .route("/openapi.json", get(move || async move { ([(header::CONTENT_TYPE, "application/json")], text) }));
    let pages = Pages { auth: auth.clone(), origin: auth.settings().issuer.clone(), openapi: document };
    Router::new()
        .merge(api)
        .merge(openapi)
        .merge(private::public_health(readiness.clone()))
        .merge(pages::router(pages))
        // The door has the limit; axum's own would only be a second one.
        .layer(DefaultBodyLimit::disable())
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: is another server running there? Set `{key}` to a free address")
    })
}

fn load_keys(auth: &Auth, verifier: &Verifier) {
    if let Err(error) = verifier.set_keys(auth.keys().jwks().to_string().as_bytes()) {
        tracing::error!(%error, "the new signing keys were refused; the old ones stay");
    }
}

fn spawn_background(
    auth: &Auth,
    verifier: &Arc<Verifier>,
    applier: &Applier,
    position: i64,
    readiness: &Readiness,
) -> Vec<tokio::task::JoinHandle<()>> {
    let db = auth.db().clone();
    let mut tasks = vec![supervise("sequencer", move || {
        let db = db.clone();
        async move { db.keep().await }
    })];
    let (db, probing) = (auth.db().clone(), readiness.clone());
    tasks.push(supervise("probe", move || {
        let (db, probing) = (db.clone(), probing.clone());
        async move { probing.probe(&db).await }
    }));
    if auth.db().is_shared() {
        let (db, applier) = (auth.db().clone(), applier.clone());
        tasks.push(supervise("revocations", move || {
            let (db, applier) = (db.clone(), applier.clone());
            async move { applier.follow(&db, position).await }
        }));
    }
    let (auth, verifier, applier) = (auth.clone(), verifier.clone(), applier.clone());
    tasks.push(supervise("upkeep", move || {
        let (auth, verifier, applier) = (auth.clone(), verifier.clone(), applier.clone());
        async move { upkeep(&auth, &verifier, &applier).await }
    }));
    tasks
}

/// Runs a task for ever: if it ends or panics, it is begun again.
fn supervise<F>(name: &'static str, task: impl Fn() -> F + Send + 'static) -> tokio::task::JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            let mut running = tokio::task::JoinSet::new();
            running.spawn(task());
            let ended = running.join_next().await;
            tracing::error!(task = name, ended = ?ended, "a background task ended; it is begun again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
}

async fn upkeep(auth: &Auth, verifier: &Verifier, applier: &Applier) {
    let mut keys_changed = auth.keys().changes();
    loop {
        let by_hand = tokio::time::timeout(UPKEEP, keys_changed.changed()).await.is_ok();
        if !by_hand {
            look_after(auth, applier).await;
        }
        load_keys(auth, verifier);
    }
}

/// What has to be done now and then. A failure is logged; the next round tries again.
async fn look_after(auth: &Auth, applier: &Applier) {
    applier.sweep();
    if let Err(error) = auth.keys().keep_fresh().await {
        tracing::warn!(%error, "the signing keys could not be looked after");
    }
    loop {
        match auth::sweep(auth).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "old rows could not be removed");
                return;
            }
        }
    }
}

async fn serve_private(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) {
    let handler = move |request: hyper::Request<hyper::body::Incoming>, _peer| {
        let router = router.clone();
        async move {
            let response = tower::ServiceExt::oneshot(router, request.map(axum::body::Body::new)).await;
            response.map_err(|never: Infallible| never)
        }
    };
    // It goes on while the public address finishes, so that somebody can watch.
    server::serve(listener, handler, std::future::pending(), PATIENCE).await;
    drop(stopped);
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The first signal stops well, the second at once.
async fn wait_for_signal(stop: watch::Sender<bool>, readiness: Readiness) {
    signal().await;
    tracing::info!("stopping: requests that are under way may finish");
    readiness.stop();
    stop.send_replace(true);
    signal().await;
    tracing::warn!("stopping at once");
    std::process::exit(1);
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be listened for: stop the process with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Says where to go, and how to make the first administrator.
async fn greet(auth: &Auth, public_url: &str, checked: &Checked, started: Instant) -> Result<()> {
    let link = auth::setup::create_link(auth).await?;
    let millis = started.elapsed().as_secs_f64() * 1000.0;
    println!("Usher is at {public_url}  (ready in {millis:.0} ms; data in {})", checked.config.data_dir);
    if let Some(link) = link {
        println!("Make the first administrator within 60 minutes: {link}");
    }
    Ok(())
}

fn masked(checked: &Checked) -> Value {
    let shown = config::show(&checked.config, &config::Sources::new());
    serde_json::to_value(shown).unwrap_or_default()
}
