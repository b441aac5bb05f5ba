//! How soon those who follow the feed know that trust has ended, and what it takes that they do.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kernel::Clock;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use verify::{Claims, Refused, Verifier};

use super::client::{Connection, post, post_as};
use super::listeners::{self, Listeners};
use super::load::{Measured, percentile};
use super::machine::{Quiet, resident_megabytes};
use super::program::{Options, Program};
use super::seed::PASSWORD;
use super::table::{Goal, Table};
use super::{Plan, say, seed};

/// What the tokens name as their issuer.
const ISSUER: &str = "http://localhost";
/// How many verifiers follow while users are banned.
const VERIFIERS: [usize; 3] = [1, 100, 1_000];
/// How many connections are opened to see what an idle one costs.
const IDLE: usize = 1_000;
/// So many verifiers follow while trust ends [`PER_SECOND`] times a second.
const FEW_VERIFIERS: usize = 10;
const PER_SECOND: u32 = 500;
/// Who ends it.
const ADMINISTRATORS: u32 = 8;
/// What the ban before has caused is over by then, but for the verifiers' reports, which go on for seconds.
const BETWEEN_BANS: Duration = Duration::from_millis(50);
/// A verifier that has not heard of a revocation after this long is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running program with accounts, an administrator and a token for verifiers.
struct Office {
    program: Program,
    administrator: String,
    service: String,
    /// The ids of the accounts.
    ids: Vec<String>,
}

/// From the end of trust to the verifiers.
pub async fn rows(plan: Plan, folder: &Path, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    raise_file_limit()?;
    say("revocations: make accounts");
    let seconds = plan.revocation_seconds;
    let accounts = (plan.bans * VERIFIERS.len()).max(PER_SECOND as usize * seconds as usize);
    let folder = folder.join("revocation");
    seed::folder(&folder, accounts).await?;
    let mut office = Office::open(&folder).await?;

    say("revocations: idle connections");
    let kibibytes = office.idle_connection().await?;
    let memory = Goal { seen: format!("{kibibytes:.1} KiB"), wanted: "< 16 KiB".into(), met: kibibytes < 16.0 };
    table.plain(&format!("resident, for each of {} idle connections to the feed", thousands(IDLE)), &[memory]);
    let mut number = 0;
    let mut listeners = Listeners::new(office.program.port, &office.service, ISSUER);
    for count in VERIFIERS {
        say(&format!("bans, {count} verifiers"));
        listeners.become_many(count).await?;
        quiet.wait().await?;
        let mut samples = Vec::new();
        for _ in 0..plan.bans {
            number += 1;
            samples.extend(office.ban(number, listeners.verifiers()).await?);
        }
        samples.sort_unstable();
        let (p50, p99) = (percentile(&samples, 0.5), percentile(&samples, 0.99));
        let work = format!("ban answered → refused, {} verifiers, {} bans", thousands(count), plan.bans);
        table.times(&work, p50, p99, &[Goal::below(p99.as_secs_f64() * 1e3, 50.0, "ms")]);
    }
    drop(listeners);
    say(&format!("{PER_SECOND} revocations a second for {seconds} s"));
    quiet.wait().await?;
    office.storm(seconds, table).await?;
    office.program.stop()
}

impl Office {
    async fn open(folder: &Path) -> Result<Self> {
        let ids = seed::ids(folder).await?;
        let config = format!("public_url = \"{ISSUER}\"\n");
        let program = Program::start_with(folder, Options { config: Some(config), ..Options::default() })?;
        let email = "administrator@bench.example";
        program.command(&["admin", "create", "--email", email, "--password-stdin"], PASSWORD)?;
        let service = program.command(&["verifier", "create", "bench"], "")?;
        let service = service.lines().find(|line| line.starts_with("uvt_")).context("no service token")?.to_owned();
        let mut office = Self { program, administrator: String::new(), service, ids };
        office.administrator = office.sign_in(email).await?.1;
        Ok(office)
    }

    /// The user's id and access token.
    async fn sign_in(&self, email: &str) -> Result<(String, String)> {
        let mut connection = Connection::open(self.program.port).await?;
        let request = post("/api/v1/auth/login", &json!({"email": email, "password": PASSWORD}));
        let answer = connection.call(&request).await?.json(200)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("the answer to a sign-in lacks something");
        Ok((text(&answer["user"]["id"])?, text(&answer["access_token"])?))
    }

    /// KiB of memory for each of many connections on which nothing happens.
    async fn idle_connection(&mut self) -> Result<f64> {
        // What the first connections make once is not what each of them costs.
        drop(listeners::idle(self.program.port, &self.service, 50).await?);
        self.program.cpu.wait_until_idle().await?;
        let before = resident_megabytes(self.program.id())?;
        let listening = listeners::idle(self.program.port, &self.service, IDLE).await?;
        // Two heartbeats at least have gone over each.
        tokio::time::sleep(Duration::from_secs(11)).await;
        let after = resident_megabytes(self.program.id())?;
        if listening.len() != IDLE {
            bail!("connections to the feed ended");
        }
        drop(listening);
        Ok((after - before) * 1e6 / 1024.0 / IDLE as f64)
    }

    /// Bans account `number`, whose token every verifier has just accepted. How long after the answer each
    /// of them refuses it.
    async fn ban(&mut self, number: usize, verifiers: &[Arc<Verifier>]) -> Result<Vec<Duration>> {
        let (user, token) = self.sign_in(&seed::email(number)).await?;
        let now = Clock::system().now().unix_seconds();
        for verifier in verifiers {
            verifier.check(&token, now).context("a verifier refuses a good token")?;
        }
        tokio::time::sleep(BETWEEN_BANS).await;
        let mut connection = Connection::open(self.program.port).await?;
        let path = format!("/api/v1/users/{user}/ban");
        let request = post_as(&self.administrator, &path, &json!({"reason": "the bench"}));
        connection.call(&request).await?.expect(204)?;
        let answered = Instant::now();
        let mut waiting: Vec<&Arc<Verifier>> = verifiers.iter().collect();
        let mut samples = Vec::with_capacity(verifiers.len());
        while !waiting.is_empty() {
            waiting.retain(|verifier| match verifier.check(&token, now) {
                Err(Refused::Revoked) => {
                    samples.push(answered.elapsed());
                    false
                }
                Ok(_) | Err(_) => true,
            });
            if answered.elapsed() > PATIENCE {
                bail!("{} verifiers do not refuse a banned user", waiting.len());
            }
            // The verifiers run on this very thread.
            tokio::task::yield_now().await;
        }
        Ok(samples)
    }

    /// Ends trust many times a second for a while.
    async fn storm(&mut self, seconds: u32, table: &mut Table) -> Result<()> {
        let mut listeners = Listeners::new(self.program.port, &self.service, ISSUER);
        listeners.become_many(FEW_VERIFIERS).await?;
        self.program.cpu.wait_until_idle().await?;
        let cpu = self.program.cpu.nanos()?;
        let said: Arc<Mutex<Vec<Said>>> = Arc::default();
        let start = Instant::now() + Duration::from_millis(50);
        let mut working = JoinSet::new();
        let ids: Arc<[String]> = self.ids.iter().take(PER_SECOND as usize * seconds as usize).cloned().collect();
        for first in 0..ADMINISTRATORS {
            let connection = Connection::open(self.program.port).await?;
            working.spawn(sign_out(connection, self.administrator.clone(), ids.clone(), first, start, said.clone()));
        }
        let mut lags = watch(listeners.verifiers(), &said, &mut working).await?;
        let took = start.elapsed();
        self.program.cpu.wait_until_idle().await?;
        let spent = self.program.cpu.nanos()? - cpu;
        lags.sort_unstable();
        let seen = Measured {
            per_second: ids.len() as f64 / took.as_secs_f64(),
            p50: percentile(&lags, 0.5),
            p99: percentile(&lags, 0.99),
            cpu_micros: spent as f64 / 1e3 / ids.len() as f64,
        };
        let lag = Goal::below(seen.p99.as_secs_f64() * 1e3, 200.0, "ms");
        let rate = Goal::above(seen.per_second, 0.99 * f64::from(PER_SECOND), "/s");
        let work = format!("users signed out, {PER_SECOND}/s for {seconds} s, {FEW_VERIFIERS} verifiers: their lag");
        table.load(&work, &seen, &[lag, rate]);
        let now = Clock::system().now().unix_seconds();
        let held = listeners.verifiers().iter().map(|verifier| verifier.revocations().len()).max().unwrap_or(0);
        let failures = listeners.failures(now);
        let entries = Goal {
            seen: format!("{} entries, {failures} times behind", thousands(held)),
            wanted: "bounded, never behind".into(),
            met: held <= ids.len() + self.ids.len() && failures == 0,
        };
        table.plain("what each of them holds then", &[entries]);
        Ok(())
    }
}

/// Somebody was signed out, and when that was answered.
#[derive(Clone)]
struct Said {
    user: String,
    at: Instant,
}

/// Signs out every one of `ids` whose turn it is for this administrator, at fixed times.
async fn sign_out(
    mut connection: Connection,
    token: String,
    ids: Arc<[String]>,
    first: u32,
    start: Instant,
    said: Arc<Mutex<Vec<Said>>>,
) -> Result<()> {
    let every = Duration::from_secs(1) / PER_SECOND;
    for (number, user) in (0..).zip(ids.iter()).filter(|(number, _)| number % ADMINISTRATORS == first) {
        sleep_until(start + every * number).await;
        let request = post_as(&token, &format!("/api/v1/users/{user}/sign-out"), &json!({}));
        connection.call(&request).await?.expect(204)?;
        let at = Instant::now();
        said.lock().unwrap_or_else(PoisonError::into_inner).push(Said { user: user.clone(), at });
    }
    Ok(())
}

/// Looks every millisecond which verifiers know of which sign-out. How long after its answer each did.
async fn watch(
    verifiers: &[Arc<Verifier>],
    said: &Mutex<Vec<Said>>,
    working: &mut JoinSet<Result<()>>,
) -> Result<Vec<Duration>> {
    let mut waiting: Vec<VecDeque<Said>> = vec![VecDeque::new(); verifiers.len()];
    let mut claims = anybody();
    let mut lags = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        while let Some(ended) = working.try_join_next() {
            ended.context("an administrator panicked")??;
        }
        let new = std::mem::take(&mut *said.lock().unwrap_or_else(PoisonError::into_inner));
        for (verifier, waiting) in verifiers.iter().zip(&mut waiting) {
            waiting.extend(new.iter().cloned());
            waiting.retain(|said| {
                claims.sub.clone_from(&said.user);
                let knows = !verifier.revocations().is_good(&claims);
                if knows {
                    lags.push(said.at.elapsed());
                }
                !knows
            });
            if waiting.front().is_some_and(|said| said.at.elapsed() > PATIENCE) {
                bail!("a verifier does not hear of a sign-out");
            }
        }
        if working.is_empty() && new.is_empty() && waiting.iter().all(VecDeque::is_empty) {
            return Ok(lags);
        }
    }
}

/// What every token of a user says that was made before the first sign-out.
fn anybody() -> Claims {
    let empty = String::new;
    Claims {
        iss: ISSUER.to_owned(),
        sub: empty(),
        aud: ISSUER.to_owned(),
        sid: empty(),
        epoch: 0,
        client_id: empty(),
        iat: 0,
        exp: i64::MAX,
        jti: empty(),
        auth_time: 0,
        amr: Vec::new(),
        roles: Vec::new(),
        scope: empty(),
        kid: empty(),
    }
}

/// A thousand verifiers are some thousand connections.
pub fn raise_file_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("cannot open enough files for a thousand verifiers")
}

fn thousands(count: usize) -> String {
    if count < 1_000 { count.to_string() } else { format!("{},{:03}", count / 1_000, count % 1_000) }
}
