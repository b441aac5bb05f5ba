//! More than fits: sign-ins that come by the clock, whether the ones before were answered or not, while
//! somebody asks who they are; and clients that hang up before it is their turn.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::client::{Connection, get};
use super::clients::Accounts;
use super::load::percentile;
use super::program::Program;

/// Who-am-I each second, from this many clients in turn.
const ME_PER_SECOND: u32 = 100;
const ME_CLIENTS: u32 = 4;
/// At most this many sign-ins wait for an answer; the program lets far fewer.
const MOST_WAITING: usize = 1_000;
/// The first of it is not counted: the queue has to fill first.
const SETTLE: Duration = Duration::from_secs(1);

/// What was seen.
pub struct Overload {
    pub me_p50: Duration,
    pub me_p99: Duration,
    pub sign_ins_per_second: f64,
    pub refused_per_second: f64,
    pub refused_p50: Duration,
    pub refused_p99: Duration,
}

/// Offers `per_second` sign-ins for a while.
pub async fn run(
    program: &Program,
    accounts: &Accounts,
    token: &str,
    per_second: f64,
    time: Duration,
) -> Result<Overload> {
    let start = Instant::now() + Duration::from_millis(50);
    let end = start + SETTLE + time;
    let mut asking = JoinSet::new();
    for client in 0..ME_CLIENTS {
        asking.spawn(ask_me(program.port, get("/api/v1/auth/me", Some(token)), client, start, end));
    }
    let answers = offer(program.port, accounts, per_second, start, end).await?;
    let mut me = Vec::new();
    while let Some(ended) = asking.join_next().await {
        me.extend(ended??);
    }
    me.sort_unstable();
    let counted: Vec<&SignIn> = answers.iter().filter(|one| one.ended > start + SETTLE && one.ended <= end).collect();
    let with = |status: u16| counted.iter().filter(move |one| one.status == status);
    let mut refused: Vec<Duration> = with(503).map(|one| one.ended - one.begun).collect();
    refused.sort_unstable();
    if let Some(odd) = counted.iter().find(|one| one.status != 200 && one.status != 503) {
        bail!("a sign-in of too many was answered {}", odd.status);
    }
    Ok(Overload {
        me_p50: percentile(&me, 0.50),
        me_p99: percentile(&me, 0.99),
        sign_ins_per_second: with(200).count() as f64 / time.as_secs_f64(),
        refused_per_second: refused.len() as f64 / time.as_secs_f64(),
        refused_p50: percentile(&refused, 0.50),
        refused_p99: percentile(&refused, 0.99),
    })
}

/// Asks at fixed times. If an answer comes after the next question was due, that one has waited too.
async fn ask_me(port: u16, request: Vec<u8>, client: u32, start: Instant, end: Instant) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(port).await?;
    let every = Duration::from_secs(1) / ME_PER_SECOND;
    let mut due = start + every * client;
    let mut latencies = Vec::new();
    while due < end {
        let asked = if Instant::now() > due {
            due
        } else {
            sleep_until(due).await;
            Instant::now()
        };
        connection.call(&request).await?.expect(200)?;
        if due >= start + SETTLE {
            latencies.push(asked.elapsed());
        }
        due += every * ME_CLIENTS;
    }
    Ok(latencies)
}

struct SignIn {
    begun: Instant,
    ended: Instant,
    status: u16,
}

async fn offer(port: u16, accounts: &Accounts, per_second: f64, start: Instant, end: Instant) -> Result<Vec<SignIn>> {
    let every = Duration::from_secs_f64(1.0 / per_second);
    let free: Arc<Mutex<Vec<Connection>>> = Arc::default();
    let (mut waiting, mut answers) = (JoinSet::new(), Vec::new());
    let mut due = start;
    while due < end {
        sleep_until(due).await;
        due += every;
        while let Some(ended) = waiting.try_join_next() {
            answers.push(ended.context("a client panicked")??);
        }
        if waiting.len() >= MOST_WAITING {
            bail!("{MOST_WAITING} sign-ins wait for an answer: the program refuses none");
        }
        let (free, request) = (free.clone(), accounts.next_sign_in());
        waiting.spawn(async move {
            let begun = Instant::now();
            let kept = free.lock().await.pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(port).await?,
            };
            let status = connection.call(&request).await?.status;
            let ended = Instant::now();
            free.lock().await.push(connection);
            anyhow::Ok(SignIn { begun, ended, status })
        });
    }
    while let Some(ended) = waiting.join_next().await {
        answers.push(ended.context("a client panicked")??);
    }
    Ok(answers)
}

/// What was hashed for clients that went away.
pub struct HungUp {
    /// Hashes begun by the time they had gone.
    pub begun: u64,
    /// Hashes computed in the end.
    pub spent: u64,
}

/// Lets clients send a sign-in each and hang up before most of them had their turn.
pub async fn hang_up(program: &mut Program, accounts: &Accounts, clients: usize) -> Result<HungUp> {
    const HASHES: &str = "usher_password_hashes_total";
    program.cpu.wait_until_idle().await?;
    let before = program.metric(HASHES).await?;
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(Connection::open(program.port).await?);
    }
    for connection in &mut connections {
        connection.send(&accounts.next_sign_in()).await?;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(connections);
    let begun = program.metric(HASHES).await? - before;
    program.cpu.wait_until_idle().await?;
    Ok(HungUp { begun, spent: program.metric(HASHES).await? - before })
}
