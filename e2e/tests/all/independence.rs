//! The services, the node that serves the feed, and the gateway are killed in turn under load. Checks go on
//! without them, nobody who was refused is ever taken again, and after a restart news is there quickly.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use e2e::{Answer, Apart, Database, PATIENCE, Service, Setup, TestApp, Upstream, User, on_both};
use reqwest::Method;
use tokio::task::JoinHandle;

/// How long each of them is gone.
const GONE: Duration = Duration::from_millis(1_500);
/// After so long, news has to be everywhere within [`LAG`].
const RECOVERY: Duration = Duration::from_secs(20);
const LAG: Duration = Duration::from_secs(1);

/// Whoever checks tokens.
enum Checker {
    Gateway { client: reqwest::Client, url: String, is_down: AtomicBool },
    Service(Service),
}

impl Checker {
    fn name(&self) -> String {
        match self {
            Self::Gateway { .. } => "the gateway".to_owned(),
            Self::Service(service) => format!("the {:?} service", service.language),
        }
    }

    fn is_down(&self) -> bool {
        matches!(self, Self::Gateway { is_down, .. } if is_down.load(Ordering::SeqCst))
    }

    /// What it answers to a token; nothing while it is down.
    async fn check(&self, token: &str) -> Option<u16> {
        match self {
            Self::Service(service) => Some(service.whoami(token).await.status),
            Self::Gateway { client, url, .. } => {
                let was_down = self.is_down();
                let request = client.request(Method::GET, format!("{url}/app/x")).bearer_auth(token);
                match Answer::try_of(request).await {
                    Ok(answer) => Some(answer.status),
                    Err(error) => {
                        assert!(was_down || self.is_down(), "the gateway broke off: {error}");
                        None
                    }
                }
            }
        }
    }
}

/// Everything, with Bob, who was banned before it all began and is refused by all.
struct World {
    apart: Apart,
    /// Another node that serves the feed, where the database lets there be one.
    feed: Option<TestApp>,
    checkers: Vec<Arc<Checker>>,
    ann: User,
    bob: User,
    _upstream: Upstream,
}

impl World {
    async fn start(setup: Setup) -> Self {
        let upstream = Upstream::start("app").await;
        let config =
            format!("[[gateway.routes]]\nname = \"app\"\npath = \"/app/\"\nupstreams = [\"{}\"]\n", upstream.url);
        let database = setup.database;
        let apart = setup.start_apart(&config).await;
        let feed = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(apart.services.beside("auth").await),
        };
        let token = apart.services.verifier_token("services").await;
        // Where only one process may have the database, services listen through the gateway.
        let listen_at = feed.as_ref().map_or(&apart.door.url, |feed| &feed.url);
        let services = Service::start_all(&apart.door.url, listen_at, &token).await;
        let gateway = Checker::Gateway {
            client: apart.door.client(),
            url: apart.door.url.clone(),
            is_down: AtomicBool::new(false),
        };
        let checkers = [gateway].into_iter().chain(services.into_iter().map(Checker::Service)).map(Arc::new).collect();
        let (ann, bob) = (apart.services.user("ann").await, apart.services.user("bob").await);
        let world = Self { apart, feed, checkers, ann, bob, _upstream: upstream };
        for checker in &world.checkers {
            assert_eq!(checker.check(&world.bob.access_token).await, Some(200), "{}", checker.name());
        }
        world.apart.services.cli_ok(&["users", "ban", &world.bob.email]).await;
        world.wait_until_refused(&world.bob.access_token, RECOVERY).await;
        world
    }

    /// Waits until everybody refuses a token.
    async fn wait_until_refused(&self, token: &str, limit: Duration) {
        let begun = Instant::now();
        for checker in &self.checkers {
            while checker.check(token).await != Some(401) {
                assert!(begun.elapsed() < limit, "{} takes a dead token after {limit:?}", checker.name());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Asks everybody, without a pause, whether Ann is taken and Bob is not.
    fn load(&self, stop: &Arc<AtomicBool>) -> Vec<(Arc<AtomicUsize>, JoinHandle<String>)> {
        let one = |checker: &Arc<Checker>| {
            let (checker, stop, good_answers) = (checker.clone(), stop.clone(), Arc::new(AtomicUsize::new(0)));
            let count = good_answers.clone();
            let (ann, bob) = (self.ann.access_token.clone(), self.bob.access_token.clone());
            let asking = tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let (good, dead) = (checker.check(&ann).await, checker.check(&bob).await);
                    let name = checker.name();
                    assert!(matches!(good, Some(200) | None), "{name} answered {good:?} to a good token");
                    assert!(matches!(dead, Some(401) | None), "{name} answered {dead:?} to a dead token");
                    count.fetch_add(usize::from(good.is_some()), Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
                checker.name()
            });
            (good_answers, asking)
        };
        self.checkers.iter().map(one).collect()
    }

    /// Somebody signs in and out again, and within the lag nobody takes their token; at the latest when
    /// the time for recovery is over.
    async fn news_is_quick_after(&self, what: &str, restarted: Instant) {
        for number in 0.. {
            let last_chance = restarted.elapsed() > RECOVERY;
            let name = format!("{}-{number}", what.replace(' ', "-"));
            let user = self.apart.services.user(&name).await;
            user.logout().await.is(204);
            let ended = Instant::now();
            while ended.elapsed() < LAG {
                let mut all = true;
                for checker in &self.checkers {
                    all &= checker.check(&user.access_token).await == Some(401);
                }
                if all {
                    println!("{what}: {:?} after the restart, news took {:?}", restarted.elapsed(), ended.elapsed());
                    return;
                }
            }
            assert!(
                !last_chance,
                "{:?} after {what} was started again, news takes longer than {LAG:?}",
                restarted.elapsed()
            );
        }
    }
}

on_both! {
    async fn checks_go_on_whoever_is_killed_and_no_ban_is_forgotten(setup: Setup) {
        let world = World::start(setup).await;
        let stop = Arc::new(AtomicBool::new(false));
        let load = world.load(&stop);
        let gateway = &world.checkers[0];
        let Apart { services, door } = &world.apart;
        let victims = [("the services", Some(services)), ("the feed", world.feed.as_ref()), ("the gateway", Some(door))];
        for (what, victim) in victims {
            let Some(victim) = victim else { continue };
            let is_gateway = what == "the gateway";
            if let (Checker::Gateway { is_down, .. }, true) = (&**gateway, is_gateway) {
                is_down.store(true, Ordering::SeqCst);
            }
            victim.kill9();
            tokio::time::sleep(GONE).await;
            victim.start().await;
            let restarted = Instant::now();
            if let (Checker::Gateway { is_down, .. }, true) = (&**gateway, is_gateway) {
                is_down.store(false, Ordering::SeqCst);
            }
            world.news_is_quick_after(what, restarted).await;
        }
        let begun = Instant::now();
        while load.iter().any(|(count, asking)| count.load(Ordering::SeqCst) <= 100 && !asking.is_finished()) {
            assert!(begun.elapsed() < Duration::from_mins(1), "some gave only a few answers");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.store(true, Ordering::SeqCst);
        for (count, asking) in load {
            println!("{}: {} good answers", asking.await.unwrap(), count.load(Ordering::SeqCst));
        }
    }

    async fn g4_while_the_services_are_down_their_own_calls_fail_and_nothing_opens(setup: Setup) {
        let world = World::start(setup).await;
        let door = &world.apart.door;
        world.apart.services.kill9();
        let ann = world.ann.at(door);
        for path in ["/api/v1/auth/me", "/api/v1/users/me", "/.well-known/jwks.json"] {
            let answer = ann.get(path).await;
            assert!(matches!(answer.status, 502..=504), "{path}: {}", answer.status);
            assert!(answer.took < Duration::from_secs(20), "{path}: {:?}", answer.took);
        }
        door.login(&ann.email, &ann.password).await.failed();
        door.get("/api/v1/users/me").await.is_problem(401, "unauthenticated");
        world.bob.at(door).get("/app/x").await.is_problem(401, "unauthenticated");
        ann.get("/app/x").await.is(200);
        world.apart.services.start().await;
        let begun = Instant::now();
        while ann.get("/api/v1/auth/me").await.status != 200 {
            assert!(begun.elapsed() < PATIENCE, "the gateway does not find the services again");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A failure that is not the client's.
trait ServerFailure {
    fn failed(self);
}

impl ServerFailure for Answer {
    #[track_caller]
    fn failed(self) {
        assert!((500..600).contains(&self.status), "{}: {}", self.status, self.body);
    }
}
