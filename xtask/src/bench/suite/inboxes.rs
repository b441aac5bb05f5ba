//! What an application says in people's inboxes: how soon very many have it, and what it takes to show it live.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::{Connection, get, post, post_as};
use super::load::percentile;
use super::machine::{Quiet, resident_megabytes};
use super::program::{Options, Program};
use super::revocation::raise_file_limit;
use super::seed::{self, PASSWORD};
use super::table::{Goal, Table};
use super::{Plan, say};

/// How many people are told the same.
const PEOPLE: usize = 10_000;
/// How many look.
const SCREENS: usize = 1_000;
/// How often somebody is told something who looks.
const TOLD: usize = 300;
/// A message that does not come within this time does not come.
const PATIENCE: Duration = Duration::from_mins(1);
/// The program says something to whoever listens every fifteen seconds.
const HEARTBEAT: Duration = Duration::from_secs(16);
const SEND: &str = "/api/v1/notifications/send";
const ADMINISTRATOR: &str = "administrator@bench.example";

/// A message that is for inboxes alone: there is no mail server.
const CONFIG: &str =
    "[[notify.messages]]\nname = \"order-shipped\"\ncategory = \"product\"\ndata = { order = \"text\" }\n";
const WORDS: &str = "order-shipped-subject = Your order { $order } is on its way
order-shipped-preview = It has left us.
order-shipped-title = Your order is on its way
order-shipped-lead = Your order { $order } has left us.
";

/// Somebody who looks was shown something: who, and when.
type Seen = (usize, Instant);

/// The rows.
pub async fn rows(plan: Plan, folder: &Path, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    raise_file_limit()?;
    say("inboxes: make accounts");
    let folder = folder.join("inboxes");
    seed::folder(&folder, PEOPLE).await?;
    let mut house = House::open(&folder).await?;
    house.tell_all(plan, quiet, table).await?;
    house.show(plan, quiet, table).await?;
    house.program.stop()
}

/// A program with people, an application's message, and somebody who may send it.
struct House {
    program: Program,
    token: String,
    ids: Vec<String>,
}

impl House {
    async fn open(folder: &Path) -> Result<Self> {
        let words = folder.join("words");
        std::fs::create_dir_all(&words)?;
        std::fs::write(words.join("en.ftl"), WORDS)?;
        let ids = seed::ids(folder).await?;
        let config = format!("{CONFIG}[notify]\ntemplates = {:?}\n", words.display().to_string());
        let program = Program::start_with(folder, Options { config: Some(config), ..Options::default() })?;
        program.command(&["admin", "create", "--email", ADMINISTRATOR, "--password-stdin"], PASSWORD)?;
        let token = sign_in(&mut Connection::open(program.port).await?, ADMINISTRATOR).await?;
        Ok(Self { program, token, ids })
    }

    /// Tells everybody something, by a job.
    async fn tell_all(&mut self, plan: Plan, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
        let mut best: Option<(f64, f64)> = None;
        // The first turn makes the keys of people who have none: accounts that nobody signs in to are in no hurry.
        for turn in 0..=plan.turns {
            say(&format!("{PEOPLE} are told something: turn {turn}"));
            self.program.cpu.wait_until_idle().await?;
            quiet.wait().await?;
            let mut connection = Connection::open(self.program.port).await?;
            let body = json!({"template": "order-shipped", "to": {"role": "user"}, "data": {"order": "A 17"}});
            let (before, begun) = (self.program.cpu.nanos()?, Instant::now());
            let sent = connection.call(&post_as(&self.token, SEND, &body)).await?.json(202)?;
            let job = sent["job"].as_str().context("no job says it")?;
            let look = get(&format!("/api/v1/jobs/{job}"), Some(&self.token));
            let seen = loop {
                let seen = connection.call(&look).await?.json(200)?;
                if seen["ended_at"].is_string() {
                    break seen;
                }
                if begun.elapsed() > PATIENCE {
                    bail!("not all are told: {seen}");
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            let took = begun.elapsed().as_secs_f64();
            let told = seen["done"].as_u64().unwrap_or(0);
            if seen["state"] != "done" || told < PEOPLE as u64 {
                bail!("not all were told: {seen}");
            }
            let cpu = (self.program.cpu.nanos()? - before) as f64 / 1e3 / told as f64;
            if turn > 0 && best.is_none_or(|(least, _)| took < least) {
                best = Some((took, cpu));
            }
        }
        let (took, cpu) = best.context("nothing was measured")?;
        let seen = [
            Goal::below(took, 2.0, "s"),
            Goal { seen: format!("{cpu:.0} µs of CPU each"), wanted: String::new(), met: true },
        ];
        table.plain("10,000 people told in their inboxes, SQLite, one core", &seen);
        Ok(())
    }

    /// A thousand people look at their inboxes: what each costs, and how soon they see what they are told.
    async fn show(&mut self, plan: Plan, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
        say(&format!("{SCREENS} people sign in"));
        let mut connection = Connection::open(self.program.port).await?;
        let mut tokens = Vec::with_capacity(SCREENS);
        for number in 1..=SCREENS {
            tokens.push(sign_in(&mut connection, &seed::email(number)).await?);
        }
        drop(connection);
        say("inboxes that are shown live: memory");
        // What the first connections make once, and what the sign-ins have left, is not what each of them costs.
        drop(self.look(&tokens[..50]).await?);
        tokio::time::sleep(plan.rest).await;
        self.program.cpu.wait_until_idle().await?;
        let before = resident_megabytes(self.program.id())?;
        let (listening, mut seen) = self.look(&tokens).await?;
        tokio::time::sleep(HEARTBEAT).await;
        let kibibytes = (resident_megabytes(self.program.id())? - before) * 1e6 / 1024.0 / SCREENS as f64;
        let memory = Goal { seen: format!("{kibibytes:.1} KiB"), wanted: "< 16 KiB".into(), met: kibibytes < 16.0 };
        table.plain("resident, for each of 1,000 inboxes that are shown live", &[memory]);

        say("inboxes that are shown live: how soon");
        quiet.wait().await?;
        let mut took = Vec::with_capacity(TOLD);
        let mut connection = Connection::open(self.program.port).await?;
        for turn in 0..TOLD {
            let who = turn * 3 % SCREENS;
            let body = json!({"template": "order-shipped", "to": {"user": self.ids[who]}, "data": {"order": "A 17"}});
            let request = post_as(&self.token, SEND, &body);
            let begun = Instant::now();
            connection.call(&request).await?.expect(202)?;
            let (shown, at) = one(&mut seen).await?;
            if shown != who {
                bail!("somebody was shown what another was told");
            }
            took.push(at.saturating_duration_since(begun));
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        took.sort_unstable();
        let p99 = percentile(&took, 0.99);
        let goal = Goal::below(p99.as_secs_f64() * 1e3, 100.0, "ms at p99");
        table.times("an application asks → it is on the screen, 1,000 look", percentile(&took, 0.5), p99, &[goal]);
        let all = self.show_all(&mut seen).await?;
        let last = Goal { seen: format!("{:.0} ms", all.as_secs_f64() * 1e3), wanted: String::new(), met: true };
        table.plain("all 1,000 who look are told something: until the last one sees it", &[last]);
        if listening.len() != SCREENS {
            bail!("streams ended");
        }
        Ok(())
    }

    /// Tells all who look the same, by a job. How long it took until the last saw it.
    async fn show_all(&self, seen: &mut mpsc::UnboundedReceiver<Seen>) -> Result<Duration> {
        let body = json!({"template": "order-shipped", "to": {"users": self.ids[..SCREENS]}, "data": {"order": "B 4"}});
        let mut connection = Connection::open(self.program.port).await?;
        let begun = Instant::now();
        connection.call(&post_as(&self.token, SEND, &body)).await?.expect(202)?;
        let mut last = begun;
        for _ in 0..SCREENS {
            last = last.max(one(seen).await?.1);
        }
        Ok(last.saturating_duration_since(begun))
    }

    /// Opens an inbox for each of these tokens, until the first value is dropped.
    async fn look(&self, tokens: &[String]) -> Result<(JoinSet<()>, mpsc::UnboundedReceiver<Seen>)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut listening = JoinSet::new();
        for (number, token) in tokens.iter().enumerate() {
            let mut stream = TcpStream::connect(("127.0.0.1", self.program.port)).await.context("cannot connect")?;
            let request = format!(
                "GET /api/v1/notifications/stream HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\
                 authorization: Bearer {token}\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await?;
            let mut buffer = [0; 2048];
            let read = stream.read(&mut buffer).await?;
            if !buffer[..read].starts_with(b"HTTP/1.1 200 ") {
                bail!("the stream was answered {}", String::from_utf8_lossy(&buffer[..read]));
            }
            listening.spawn(watch(stream, number, sender.clone()));
        }
        Ok((listening, receiver))
    }
}

/// The next thing that somebody sees.
async fn one(seen: &mut mpsc::UnboundedReceiver<Seen>) -> Result<Seen> {
    tokio::time::timeout(PATIENCE, seen.recv()).await.context("it is not shown")?.context("nobody looks")
}

/// Says of every message when it has come.
async fn watch(mut stream: TcpStream, number: usize, seen: mpsc::UnboundedSender<Seen>) {
    const MESSAGE: &[u8] = b"event: notification\n";
    let (mut text, mut buffer) = (Vec::new(), [0; 2048]);
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        text.extend_from_slice(&buffer[..read]);
        while let Some(at) = text.windows(MESSAGE.len()).position(|piece| piece == MESSAGE) {
            text.drain(..at + MESSAGE.len());
            // Whoever waits for messages is there as long as this is.
            let _ = seen.send((number, Instant::now()));
        }
        let known = text.len().saturating_sub(MESSAGE.len());
        text.drain(..known);
    }
}

/// An access token.
async fn sign_in(connection: &mut Connection, email: &str) -> Result<String> {
    let body: Value = json!({"email": email, "password": PASSWORD});
    let answer = connection.call(&post("/api/v1/auth/login", &body)).await?.json(200)?;
    answer["access_token"].as_str().map(str::to_owned).context("the answer to a sign-in has no token")
}
