//! Running the program that is measured, on a folder of its own.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use xtask::postgres::free_port;

use super::client::{Connection, get};
use super::machine::{CpuMeter, spawn_measured};
use crate::step::workspace_root;

/// How long it may take to start and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// How it is started, where that is not as for most rows.
#[derive(Clone, Default)]
pub struct Options {
    /// The text of its configuration.
    pub config: Option<String>,
    /// With limits.
    pub limits: bool,
    /// Without an access log.
    pub silent: bool,
    /// On this PostgreSQL instead of SQLite.
    pub database: Option<String>,
}

/// A running program.
pub struct Program {
    process: Child,
    folder: PathBuf,
    options: Options,
    pub port: u16,
    private_port: u16,
    pub cpu: CpuMeter,
    /// From the start of the process to its first answer.
    pub started_in: Duration,
}

impl Program {
    /// Starts it on the measured core, without limits and with its access log going nowhere, and
    /// waits for its first answer.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, Options::default())
    }

    /// The same with other options.
    pub fn start_with(folder: &Path, options: Options) -> Result<Self> {
        let (port, private_port) = (free_port()?, free_port()?);
        let mut command = usher(folder, &options);
        if let Some(config) = &options.config {
            let file = folder.join("bench.toml");
            // What may have a password in it is read from a file of its owner's alone.
            let mut options = std::fs::OpenOptions::new();
            let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&file);
            opened.and_then(|mut open| open.write_all(config.as_bytes())).context("cannot write the configuration")?;
            command.arg("--config").arg(file);
        }
        command
            .arg("serve")
            .args(["--listen", &format!("127.0.0.1:{port}"), "--private-listen", &format!("127.0.0.1:{private_port}")])
            .env("USHER_LIMITS__ENABLED", options.limits.to_string())
            .env("USHER_LOG__ACCESS", (!options.silent).to_string())
            .env("USHER_LOG__FORMAT", "json")
            .env("USHER_LOG__LEVEL", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let begun = Instant::now();
        let process = spawn_measured(&mut command)?;
        let cpu = CpuMeter::new(process.id());
        let mut program =
            Self { process, folder: folder.to_owned(), options, port, private_port, cpu, started_in: Duration::ZERO };
        while !answers(port) {
            if let Some(status) = program.process.try_wait()? {
                bail!("the program ended at once with {status}");
            }
            if begun.elapsed() > PATIENCE {
                bail!("the program did not answer within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        program.started_in = begun.elapsed();
        Ok(program)
    }

    /// Stops it and starts it again on the same folder.
    pub fn restart(self) -> Result<Self> {
        let (folder, options) = (self.folder.clone(), self.options.clone());
        self.stop()?;
        Self::start_with(&folder, options)
    }

    /// Runs a command beside it, with this on its standard input. What it says.
    pub fn command(&self, words: &[&str], input: &str) -> Result<String> {
        let mut command = usher(&self.folder, &self.options);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        process.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
        let output = process.wait_with_output()?;
        if !output.status.success() {
            bail!("`usher {}` ended with {}", words.join(" "), output.status);
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Stops it as an operator would.
    pub fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let begun = Instant::now();
        while self.process.try_wait()?.is_none() {
            if begun.elapsed() > PATIENCE {
                bail!("the program did not stop within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// One number of its metrics.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let mut connection = Connection::open(self.private_port).await?;
        let answer = connection.call(&get("/metrics", None)).await?;
        answer.expect(200)?;
        let text = std::str::from_utf8(answer.body)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).with_context(|| format!("there is no metric {name}"))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, signal).context("cannot signal the program")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Whoever did not call `stop` is already failing, and has its own error to show.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn usher(folder: &Path, options: &Options) -> Command {
    let mut command = Command::new(workspace_root().join("target/release/usher"));
    command.env("USHER_DATA_DIR", folder);
    if let Some(database) = &options.database {
        command.env("USHER_DATABASE__URL", database);
    }
    command
}

/// Whether the first request on a new connection gets a 200.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let mut answer = [0; 12];
    let asked = stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\n\r\n");
    asked.is_ok() && stream.read_exact(&mut answer).is_ok() && answer.ends_with(b" 200")
}
