//! Putting a process together: with Usher's services and their database, or as a gateway alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use auth::Auth;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::routing::get;
use gateway::Services;
use kernel::Clock;
use notify::Notify;
use pages::{Pages, Surroundings};
use prometheus_client::registry::Registry;
use signals::Signals;
use storage::Db;
use verify::{FollowSettings, Follower, Staleness, Verifier};

use crate::config::Checked;
use crate::only::{Only, Service};
use crate::private::{Readiness, public_health};
use crate::revocations::Applier;
use crate::setup::{Absent, Opened};
use crate::{control, doors, metrics, openapi, setup, upkeep};

/// How many checked tokens are remembered, about 1 KiB each.
const KNOWN_TOKENS: usize = 8_192;
/// How long a gateway alone waits for keys and revocations before it says that it is there without.
pub const FIRST_NEWS: Duration = Duration::from_secs(5);

/// A process, ready to serve.
pub struct Process {
    /// What the door hands requests to.
    pub services: Services,
    /// What the door checks tokens with.
    pub verifier: Arc<Verifier>,
    /// What signs who an upstream is told about.
    pub identity_seed: Option<[u8; 32]>,
    /// The database and who uses it; nothing in a gateway alone.
    pub house: Option<House>,
    /// Runs until the process ends.
    pub background: Vec<tokio::task::JoinHandle<()>>,
    /// What tells others: Shared Signals, and people. Each ends by itself when the process stops.
    pub tellers: Vec<tokio::task::JoinHandle<()>>,
    /// What the pages are told about the process.
    pub surroundings: Surroundings,
    /// Follows the feed in a gateway alone, for as long as it is kept.
    pub follower: Option<Follower>,
}

/// What there is where the services are.
pub struct House {
    /// Who signs in.
    pub auth: Auth,
    /// Which services are told.
    pub signals: Signals,
    /// Who tells people.
    pub notify: Notify,
}

impl House {
    /// The database.
    pub fn db(&self) -> &Db {
        self.auth.db()
    }
}

fn verifier(public_url: &str) -> Arc<Verifier> {
    Arc::new(Verifier::new(verify::Settings {
        issuer: public_url.to_owned(),
        audience: public_url.to_owned(),
        leeway_seconds: 60,
        cache_capacity: KNOWN_TOKENS,
    }))
}

/// A process with services.
pub async fn with_services(
    checked: &Checked,
    only: &Only,
    public_url: &str,
    readiness: &Readiness,
    registry: &mut Registry,
) -> Result<Process> {
    let Opened { auth, signals, notify, master } = setup::open(checked, public_url.to_owned(), Absent::Make).await?;
    auth.keys().keep_fresh().await?;
    auth::recover(&auth).await?;
    users::job::recover(auth.users()).await?;
    notify.recover().await?;
    let verifier = verifier(public_url);
    upkeep::load_keys(&auth, &verifier);
    let applier = Applier::new(verifier.clone(), auth.keys().clone(), Clock::system());
    let (at_commit, role_keeper) = (applier.clone(), auth.users().role_keeper.clone());
    let views = auth.users().views.clone();
    auth.db().on_commit(Box::new(move |events| {
        at_commit.apply(events.iter().filter_map(|event| event.revokes.as_ref()));
        role_keeper.heed(events);
        views.heed(events);
    }));
    let position = applier.catch_up(auth.db()).await?;
    let sessions = auth.clone();
    notify.ask_about_sessions(Arc::new(move |user, ids| {
        let auth = sessions.clone();
        Box::pin(async move { auth::session::on(&auth, user, &ids).await })
    }));
    notify.ask_about_senders(Arc::new(|tx, id| Box::pin(signals::is_sender(tx, id))));
    auth.users().jobs.set_teller(Arc::new(notify.clone()));
    let house = House { auth, signals, notify };
    control::listen(&checked.config.data_dir, house.auth.clone(), house.signals.clone(), house.notify.clone())?;
    registry.register_collector(Box::new(metrics::Services { auth: house.auth.clone(), verifier: verifier.clone() }));
    house.signals.register(registry);
    house.notify.register(registry);
    let surroundings = Surroundings::default();
    if only.has(Service::Auth) || only.has(Service::Feed) {
        let signals = house.signals.clone();
        surroundings.set_listeners(move || doors::listeners(&signals));
    }
    Ok(Process {
        services: Services::Here(router(&house, only, readiness, surroundings.clone())),
        background: upkeep::begin(&house, only, &verifier, &applier, position, readiness),
        tellers: upkeep::tell(&house, only),
        verifier,
        identity_seed: checked.identity_seed(Some(&master))?,
        house: Some(house),
        surroundings,
        follower: None,
    })
}

/// A gateway alone: it asks the services for what it does not decide itself, and follows their feed
/// like any other verifier.
pub async fn gateway_alone(
    checked: &Checked,
    public_url: &str,
    readiness: &Readiness,
    registry: &mut Registry,
) -> Result<Process> {
    let addresses = checked.service_addresses()?;
    let verifier = verifier(public_url);
    let staleness = checked.refuse_after().map_or(Staleness::Continue, Staleness::RefuseAfter);
    let settings = follow_settings(&addresses, &checked.config.services.token)
        .with_staleness(staleness)
        .with_listener(|trouble| tracing::warn!(%trouble, "the services cannot be followed; checks go on"));
    let follower = verify::follow(verifier.clone(), settings)?;
    if let Err(late) = follower.wait_ready(FIRST_NEWS).await {
        tracing::warn!(%late, "tokens are refused with 503 until the services were heard once");
    }
    registry.register_collector(Box::new(metrics::Following { verifier: verifier.clone() }));
    Ok(Process {
        services: Services::There {
            addresses,
            local: public_health(readiness.clone().with_verifier(verifier.clone())),
        },
        verifier,
        identity_seed: checked.identity_seed(None)?,
        house: None,
        surroundings: Surroundings::default(),
        background: Vec::new(),
        tellers: Vec::new(),
        follower: Some(follower),
    })
}

/// Every node is one to follow. HTTP/2 without TLS is for the door's requests; the feed and the keys come
/// over HTTP/1.1, which a node speaks at the same address.
fn follow_settings(addresses: &[String], token: &str) -> FollowSettings {
    let mut urls = addresses.iter().map(|address| match address.strip_prefix("h2c://") {
        Some(rest) => format!("http://{rest}"),
        None => address.clone(),
    });
    let first = urls.next().unwrap_or_default();
    urls.fold(FollowSettings::new(first, token), FollowSettings::with_more)
}

/// The services of this process, behind the door.
fn router(house: &House, only: &Only, readiness: &Readiness, surroundings: Surroundings) -> Router {
    let (api, document) = openapi::services(house, only);
    let text = Bytes::from(document.to_string());
    let openapi = Router::new()
        .route("/openapi.json", get(move || async move { ([(header::CONTENT_TYPE, "application/json")], text) }));
    let mut all = Router::new().merge(api).merge(openapi).merge(public_health(readiness.clone()));
    if only.has(Service::Pages) {
        let origin = house.auth.settings().issuer.clone();
        let (auth, notify) = (house.auth.clone(), house.notify.clone());
        all = all.merge(pages::router(Pages { auth, notify, origin, openapi: document, surroundings }));
    }
    // The door has the limit; axum's own would only be a second one.
    all.layer(DefaultBodyLimit::disable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_address_of_the_services_is_followed_whatever_its_protocol() {
        let addresses = ["http://10.0.0.1:1", "h2c://10.0.0.2:2", "https://10.0.0.3:3"].map(str::to_owned);
        let settings = follow_settings(&addresses, "uvt_secret");
        let shown = format!("{settings:?}");
        for address in ["http://10.0.0.1:1", "http://10.0.0.2:2", "https://10.0.0.3:3"] {
            assert!(shown.contains(&format!("\"{address}\"")), "{shown}");
        }
        assert!(verify::follow(verifier("https://id.example.com"), settings).is_ok());
    }
}
