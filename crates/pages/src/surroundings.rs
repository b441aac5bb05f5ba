//! What the pages are told about the process round them: plain data, because they know neither the gateway nor the
//! configuration.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kernel::Timestamp;

/// The process, as it describes itself. Cheap to clone; whoever puts the process together fills it in as the parts
/// come into being.
#[derive(Clone, Default)]
pub struct Surroundings(Arc<Inner>);

#[derive(Default)]
struct Inner {
    routes: OnceLock<Routes>,
    listeners: OnceLock<Listeners>,
    about: OnceLock<About>,
}

type Routes = Box<dyn Fn() -> Vec<RouteRow> + Send + Sync>;
type Listeners = Box<dyn Fn() -> Vec<ListenerRow> + Send + Sync>;

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct About {
    /// Usher's version.
    pub version: &'static str,
    /// When the process was ready.
    pub started: Timestamp,
    /// Where everything is kept.
    pub database: &'static str,
    /// Which services it has.
    pub services: String,
    /// Every key of the configuration, secrets masked.
    pub settings: Vec<Setting>,
}

/// One key of the configuration.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name, as in the file.
    pub key: String,
    /// What it is now; a secret is not told.
    pub value: String,
    /// Where that comes from: `default`, a file, an environment variable, a flag.
    pub source: String,
}

/// A route of the gateway, with what goes through it.
#[derive(Clone, Debug, Default)]
pub struct RouteRow {
    /// What logs and metrics call it.
    pub name: String,
    /// Host and path, as they are written.
    pub place: String,
    /// The methods; any if empty.
    pub methods: Vec<String>,
    /// Whether it is Usher's own.
    pub is_own: bool,
    /// Who answers, if it is no upstream.
    pub service: String,
    /// Where requests go.
    pub upstreams: Vec<UpstreamRow>,
    /// What somebody needs, each in words.
    pub needs: Vec<String>,
    /// Its limits: how much, and for whom.
    pub limits: Vec<(String, &'static str)>,
    /// How long it may take, how large a body may be, and the like.
    pub bounds: Vec<(&'static str, String)>,
    /// Requests a second in the last minute.
    pub per_second: f64,
    /// Requests in the last minute.
    pub answered: u64,
    /// Of them, those that failed.
    pub failed: u64,
    /// Of them, those that were refused at the door.
    pub refused: u64,
    /// Of them, those that were over a limit.
    pub limited: u64,
    /// Half were answered within this.
    pub median: Option<Duration>,
    /// 99 of 100 were.
    pub p99: Option<Duration>,
    /// Requests in each of the last minutes, the oldest first.
    pub minutes: Vec<u64>,
}

/// An application behind the gateway.
#[derive(Clone, Debug)]
pub struct UpstreamRow {
    /// Its address.
    pub address: String,
    /// Whether it is sent requests.
    pub healthy: bool,
    /// How many it is answering.
    pub in_flight: usize,
}

/// A service that checks tokens by itself and is told by this process what is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerRow {
    /// What its token is called.
    pub name: String,
    /// How many of its processes listen here.
    pub connections: usize,
    /// The last ledger number that it says it has applied, and how many seconds ago it said so.
    pub applied: Option<(i64, u64)>,
}

impl Surroundings {
    /// From now on, whoever listens is read here. The first one to say so is believed.
    pub fn set_listeners(&self, listeners: impl Fn() -> Vec<ListenerRow> + Send + Sync + 'static) {
        let _ = self.0.listeners.set(Box::new(listeners));
    }

    /// The services that listen, or have; nothing in a process that has no feed.
    pub fn listeners(&self) -> Option<Vec<ListenerRow>> {
        self.0.listeners.get().map(|listeners| listeners())
    }

    /// From now on, routes are read here. The first one to say so is believed.
    pub fn set_routes(&self, routes: impl Fn() -> Vec<RouteRow> + Send + Sync + 'static) {
        let _ = self.0.routes.set(Box::new(routes));
    }

    /// What does not change from now on.
    pub fn set_about(&self, about: About) {
        let _ = self.0.about.set(about);
    }

    /// The routes with what goes through them now; nothing in a process that has no gateway.
    pub fn routes(&self) -> Option<Vec<RouteRow>> {
        self.0.routes.get().map(|routes| routes())
    }

    /// What the process is.
    pub fn about(&self) -> Option<&About> {
        self.0.about.get()
    }
}
