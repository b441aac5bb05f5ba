//! What the program is measured beside, each a process of its own on the same core:
//!
//! - `hash`: Argon2id alone, with the program's own code, parameters and memory;
//! - `hello`: an axum handler that says hello;
//! - `checks`: tokens checked by the crate `verify`, and the bare signature;
//! - `commits`: one row a transaction through the program's own storage, each on disk before the next.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use auth::Password;
use auth::hashing::{Cost, Memory, hash};
use kernel::{Label, MasterKeys};
use serde_json::{Value, json};
use storage::{Db, Migration, Settings, execute};
use tokio::task::JoinSet;

use super::checking::{self, Checking};
use super::load::Measured;
use super::machine::{CpuMeter, spawn_measured};
use super::seed::PASSWORD;

/// The same allocator as the program's, or the comparison would be one of allocators.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The program's default.
const COST: Cost = Cost { memory_kib: 19_456, passes: 2, lanes: 1 };

/// Is one of them: `hash SECONDS`, `hello PORT`, `checks`, or `commits FILE TASKS SECONDS`.
pub fn run(words: &[&str]) -> Result<()> {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime");
    match words {
        ["hash", seconds] => report(&hashes(Duration::from_secs_f64(seconds.parse()?))?),
        ["checks"] => checking::report()?,
        ["hello", port] => return runtime()?.block_on(hello(port.parse()?)),
        ["commits", file, tasks, seconds] => {
            let time = Duration::from_secs_f64(seconds.parse()?);
            report(&runtime()?.block_on(commits(Path::new(file), tasks.parse()?, time))?);
        }
        _ => bail!("no such peer: {}", words.join(" ")),
    }
    Ok(())
}

/// Runs the one that hashes, and reads its report.
pub async fn measure_hash(seconds: f64) -> Result<Measured> {
    measure(&["hash", &seconds.to_string()]).await
}

/// Runs the one that commits to a new file in this folder.
pub async fn measure_commits(folder: &Path, tasks: usize, seconds: f64) -> Result<Measured> {
    let file = folder.join("commits.db");
    for name in ["commits.db", "commits.db-wal", "commits.db-shm", "commits.lock"] {
        match std::fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    measure(&["commits", &file.to_string_lossy(), &tasks.to_string(), &seconds.to_string()]).await
}

/// Runs the one that checks tokens.
pub async fn measure_checks() -> Result<Checking> {
    checking::read(&ask(&["checks"]).await?)
}

/// Starts the one that says hello on this port.
pub fn start_hello(port: u16) -> Result<Hello> {
    let process = spawn_measured(this().args(["hello", &port.to_string()]).stdin(Stdio::null()))?;
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if begun.elapsed() > Duration::from_secs(10) {
            bail!("hello did not answer");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Hello { cpu: CpuMeter::new(process.id()), process, port })
}

/// The one that says hello; it ends with this value.
pub struct Hello {
    process: Child,
    pub port: u16,
    pub cpu: CpuMeter,
}

impl Drop for Hello {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn this() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| PathBuf::from("xtask")));
    command.arg("bench-peer");
    command
}

/// What a peer reports.
async fn ask(words: &[&str]) -> Result<Value> {
    let process = spawn_measured(this().args(words).stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let output = tokio::task::spawn_blocking(|| process.wait_with_output()).await??;
    if !output.status.success() {
        bail!("the peer {words:?} ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("a peer reported no JSON")
}

async fn measure(words: &[&str]) -> Result<Measured> {
    let report = ask(words).await?;
    let number = |name: &str| report[name].as_f64().with_context(|| format!("a peer did not report {name}"));
    let micros = |name: &str| anyhow::Ok(Duration::from_secs_f64(number(name)? / 1e6));
    Ok(Measured {
        per_second: number("per_second")?,
        p50: micros("p50_micros")?,
        p99: micros("p99_micros")?,
        cpu_micros: number("cpu_micros")?,
    })
}

fn report(measured: &Measured) {
    let Measured { per_second, p50, p99, cpu_micros } = measured;
    let micros = |time: &Duration| time.as_secs_f64() * 1e6;
    println!(
        "{}",
        json!({"per_second": per_second, "p50_micros": micros(p50), "p99_micros": micros(p99), "cpu_micros": cpu_micros})
    );
}

fn hashes(time: Duration) -> Result<Measured> {
    // As low as the program's own hashing threads, so that a neighbour disturbs both alike.
    rustix::process::setpriority_process(None, 15).context("cannot lower the priority")?;
    let pepper = MasterKeys::generate().mac_ring(Label::PasswordPepper);
    let password = Password::prepare(PASSWORD)?;
    let mut memory = Memory::default();
    hash(&mut memory, &pepper, &password, COST)?;
    let mut cpu = CpuMeter::new(std::process::id());
    let mut latencies = Vec::new();
    let before = cpu.nanos()?;
    let begun = Instant::now();
    while begun.elapsed() < time {
        let asked = Instant::now();
        hash(&mut memory, &pepper, &password, COST)?;
        latencies.push(asked.elapsed());
    }
    let took = begun.elapsed();
    Ok(Measured::new(latencies, took, cpu.nanos()? - before))
}

async fn hello(port: u16) -> Result<()> {
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true))), router).await?;
    Ok(())
}

const ROWS: Migration = Migration {
    owner: "bench",
    version: 1,
    name: "rows",
    shared: "CREATE TABLE bench_rows (id BIGINT PRIMARY KEY, value TEXT NOT NULL)@strict;",
    sqlite: "",
    postgres: "",
};

async fn commits(file: &Path, tasks: usize, time: Duration) -> Result<Measured> {
    let db = Db::open(&Settings::sqlite(file.to_owned(), 2), &[storage::MIGRATIONS, &[ROWS]].concat(), true).await?;
    let mut cpu = CpuMeter::new(std::process::id());
    let before = cpu.nanos()?;
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        let db = db.clone();
        running.spawn(async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < time {
                let asked = Instant::now();
                let mut tx = db.begin().await?;
                execute!(&mut tx, "INSERT INTO bench_rows (value) VALUES ($1)", "one row, as short as a row may be")?;
                tx.commit().await?;
                latencies.push(asked.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = running.join_next().await {
        latencies.extend(ended??);
    }
    let measured = Measured::new(latencies, begun.elapsed(), cpu.nanos()? - before);
    db.close().await;
    Ok(measured)
}
