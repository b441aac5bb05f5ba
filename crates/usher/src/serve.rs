//! Running the server: put a process together, serve, take new routes, stop well.

#![expect(clippy::print_stdout, reason = "the address and the first link are for the person who started it")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use axum::Router;
use gateway::tls::Tls;
use gateway::{AccessLog, Gateway, Metrics, UpstreamHealth, server};
use kernel::Clock;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

use crate::assemble::{self, FIRST_NEWS, House, Process};
use crate::config::{self, Checked, Config, Sources};
use crate::doors;
use crate::logs;
use crate::only::{Only, Service};
use crate::private::{self, Private, Readiness};

/// How long requests that are under way may take to finish.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the configuration once more.
pub type Reread = Box<dyn Fn() -> Result<Config> + Send + Sync>;

/// Runs until SIGTERM or SIGINT. SIGHUP makes it read the routes again.
pub async fn run(checked: Checked, only: Only, sources: &Sources, reread: Reread) -> Result<()> {
    let started = Instant::now();
    let filter = EnvFilter::try_new(&checked.config.log.level)?;
    logs::start(checked.log_format, filter);
    let listener = bind("listen", checked.listen).await?;
    let private_listener = bind("private_listen", checked.private_listen).await?;
    let public_url = checked.public_url(listener.local_addr()?);

    let readiness = Readiness::new();
    let mut registry = Registry::default();
    let process = if only.is_gateway_alone() {
        assemble::gateway_alone(&checked, &public_url, &readiness, &mut registry).await?
    } else {
        assemble::with_services(&checked, &only, &public_url, &readiness, &mut registry).await?
    };
    let Process { services, verifier, identity_seed, house, background, tellers, surroundings, follower } = process;
    let access_log =
        checked.config.log.access.then(|| AccessLog::start(checked.log_format, checked.config.log.access_sample));
    let settings = gateway::Settings {
        public_url: public_url.clone(),
        limits: checked.config.limits.enabled,
        trusted_proxies: checked.trusted_proxies.clone(),
        problem_page: pages::problem_page,
        access_log: access_log.clone(),
        identity_seed,
        roles: house.as_ref().map(|house| house.auth.users().roles.clone()).unwrap_or_default(),
    };
    let door = Metrics::register(&mut registry);
    let gateway = Arc::new(Gateway::new(services, verifier, Clock::system(), settings, door)?);
    if only.has(Service::Gateway) {
        gateway.set_routes(&checked.config.gateway.routes)?;
        registry.register_collector(Box::new(UpstreamHealth(gateway.clone())));
        tokio::spawn(gateway.clone().watch_traffic());
        let shown = gateway.clone();
        surroundings.set_routes(move || doors::rows(&shown));
    }
    surroundings.set_about(about(&checked, &only, sources, house.as_ref()));
    let role_follower = if house.is_none() { Some(follow_roles(&gateway, &checked).await) } else { None };
    let private = private::router(Private {
        registry: Arc::new(registry),
        readiness: readiness.clone(),
        db: house.as_ref().map(|house| house.db().clone()),
        started,
        config: Arc::new(masked(&checked, sources)),
    });

    let (stop, stopped) = watch::channel(false);
    let tls = tls(&checked.config)?;
    let private_server = tokio::spawn(serve_private(private_listener, private, stopped.clone()));
    greet(house.as_ref(), &public_url, &checked, started).await?;
    let streams = Streams::of(gateway.clone(), house.as_ref());
    // Before anybody is served: whoever was answered may send signals.
    let (ends, hangup) = (Ends::hear()?, signal(SignalKind::hangup())?);
    tokio::spawn(wait_for_end(ends, stop, readiness, streams));
    let reread = only.has(Service::Gateway).then_some(reread);
    tokio::spawn(heed_hangups(hangup, gateway.clone(), reread, tls.clone()));

    let handler = move |request, peer| {
        let gateway = gateway.clone();
        async move { gateway.handle(request, peer).await }
    };
    let finished =
        server::serve(listener, tls, checked.trusted_proxies.clone(), handler, until(stopped), PATIENCE).await;
    if !finished {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    wait_for_tellers(tellers).await;
    for task in background.into_iter().chain(role_follower) {
        task.abort();
    }
    drop(follower);
    private_server.abort();
    if let Some(house) = house {
        house.db().close().await;
    }
    if let Some(log) = access_log {
        log.flush();
    }
    tracing::info!("stopped");
    Ok(())
}

/// Lets those who tell others finish what is under way.
async fn wait_for_tellers(tellers: Vec<JoinHandle<()>>) {
    let told = async {
        for teller in tellers {
            let _ = teller.await;
        }
    };
    if tokio::time::timeout(PATIENCE, told).await.is_err() {
        tracing::warn!("a receiver of Shared Signals or a mail server did not answer in time");
    }
}

/// Keeps what roles come to as the services say it, in a gateway alone. A first answer is waited for a
/// little: until there is one, routes that ask for permissions are closed.
async fn follow_roles(gateway: &Arc<Gateway>, checked: &Checked) -> JoinHandle<()> {
    let (gateway, token) = (gateway.clone(), checked.config.services.token.clone());
    let first = tokio::time::timeout(FIRST_NEWS, gateway.fetch_roles(&token, None)).await;
    if !matches!(first, Ok(Ok(_))) {
        tracing::warn!("routes that ask for permissions are closed until the services have said what roles may do");
    }
    let refuse_after = checked.refuse_after();
    tokio::spawn(async move { gateway.follow_roles(&token, refuse_after).await })
}

async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: is another server running there? Set `{key}` to a free address")
    })
}

/// The certificates, if there are any. They are read again when their files change.
fn tls(config: &Config) -> Result<Option<Tls>> {
    if config.tls.certificate.is_empty() {
        return Ok(None);
    }
    let tls = Tls::from_files(&config.tls.certificate, &config.tls.key).context("`tls`")?;
    Ok(Some(tls))
}

/// At each SIGHUP, reads the certificate again and, where there is a route table, takes the routes of
/// the configuration. What is broken changes nothing.
async fn heed_hangups(mut hangup: Signal, gateway: Arc<Gateway>, reread: Option<Reread>, tls: Option<Tls>) {
    while hangup.recv().await.is_some() {
        if let Some(Err(error)) = tls.as_ref().map(Tls::reload) {
            tracing::error!(%error, "the TLS certificate was refused; the old one stays");
        }
        let Some(reread) = &reread else { continue };
        let taken = reread().and_then(|config| {
            gateway.set_routes(&config.gateway.routes)?;
            Ok(config.gateway.routes.len())
        });
        match taken {
            Ok(routes) => tracing::info!(routes, "the new routes are in use"),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the new routes were refused; the old ones stay");
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
    server::serve(listener, None, Vec::new(), handler, std::future::pending(), PATIENCE).await;
    drop(stopped);
}

async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// What never finishes by itself, or not soon: tunnels, feeds and jobs. They go on elsewhere.
struct Streams {
    gateway: Arc<Gateway>,
    signals: Option<signals::Signals>,
    notify: Option<notify::Notify>,
    jobs: Option<users::job::Desk>,
}

impl Streams {
    fn of(gateway: Arc<Gateway>, house: Option<&House>) -> Self {
        let signals = house.map(|house| house.signals.clone());
        let notify = house.map(|house| house.notify.clone());
        Self { gateway, signals, notify, jobs: house.map(|house| house.auth.users().jobs.clone()) }
    }

    fn stop(&self) {
        self.gateway.stop();
        if let Some(signals) = &self.signals {
            signals.stop();
        }
        if let Some(notify) = &self.notify {
            notify.stop();
        }
        if let Some(jobs) = &self.jobs {
            jobs.stop();
        }
    }
}

/// The signals that end the program.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn hear() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The first signal stops well, the second at once.
async fn wait_for_end(mut ends: Ends, stop: watch::Sender<bool>, readiness: Readiness, streams: Streams) {
    ends.next().await;
    tracing::info!("stopping: requests that are under way may finish");
    readiness.stop();
    streams.stop();
    stop.send_replace(true);
    ends.next().await;
    tracing::warn!("stopping at once");
    std::process::exit(1);
}

/// Says where to go, and how to make the first administrator.
async fn greet(house: Option<&House>, public_url: &str, checked: &Checked, started: Instant) -> Result<()> {
    let link = match house {
        Some(house) => auth::setup::create_link(&house.auth).await?,
        None => None,
    };
    let millis = started.elapsed().as_secs_f64() * 1000.0;
    match house {
        Some(_) => {
            println!("Usher is at {public_url}  (ready in {millis:.0} ms; data in {})", checked.config.data_dir);
        }
        None => println!(
            "The gateway is at {public_url}  (ready in {millis:.0} ms; services at {})",
            checked.config.services.url
        ),
    }
    if let Some(house) = house {
        if house.notify.has_development_inbox() {
            println!("No mail leaves this machine, for `mail.url` is not set: it is kept at {public_url}/dev/inbox");
        } else if !house.notify.sends_mail() {
            println!("No mail is sent, for `mail.url` is not set");
        }
    }
    if let Some(link) = link {
        println!("Make the first administrator within 60 minutes: {link}");
    }
    Ok(())
}

fn masked(checked: &Checked, sources: &Sources) -> Value {
    serde_json::to_value(config::show(&checked.config, sources)).unwrap_or_default()
}

/// What the console tells about this process.
fn about(checked: &Checked, only: &Only, sources: &Sources, house: Option<&House>) -> pages::About {
    // The routes have a page of their own.
    let shown = config::show(&checked.config, sources).into_iter().filter(|row| row.key() != "gateway.routes");
    let settings = shown.map(|row| {
        let (key, value, source) = row.into_parts();
        pages::Setting { key, value, source }
    });
    pages::About {
        version: env!("CARGO_PKG_VERSION"),
        started: Clock::system().now(),
        database: match house.map(|house| house.db().dialect()) {
            Some(storage::Dialect::Sqlite) => "SQLite",
            Some(storage::Dialect::Postgres) => "PostgreSQL",
            None => "none",
        },
        services: only.names(),
        settings: settings.collect(),
    }
}
