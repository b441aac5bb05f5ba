//! The gateway before somebody's application, beside itself without checks and beside HAProxy.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::client::{Connection, get};
use super::clients::{Accounts, Same};
use super::haproxy::{self, Haproxy};
use super::load::{Bounds, Measured, closed_loop};
use super::machine::{CpuMeter, Quiet};
use super::program::{Options, Program};
use super::table::{Goal, Table};
use super::tokens::Signer;
use super::upstream::Upstream;
use super::work::{Best, CLIENTS, FEW, tokens};
use super::{Plan, say, seed};

const PLAIN: &str = "/plain/hello";
const CHECKED: &str = "/checked/hello";

/// Everything that is compared, running.
struct Doors {
    upstream: Upstream,
    /// With limits and access log.
    gateway: Program,
    /// Without.
    silent: Program,
    tokens: Vec<String>,
    haproxy: Option<Haproxy>,
}

/// The best of the turns so far.
#[derive(Default)]
struct Seen {
    silent: Best,
    logged: Best,
    checked: Best,
    haproxy: [Best; 3],
    /// One client at a time: the application itself, plain, with all checks, and plain through HAProxy.
    alone: [Best; 4],
}

/// Requests to an application behind the gateway.
pub async fn rows(plan: Plan, folder: &Path, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    say("the gateway and HAProxy: start");
    let mut doors = Doors::open(folder).await?;
    let mut seen = Seen::default();
    for turn in 1..=plan.turns {
        say(&format!("the gateway and HAProxy: turn {turn}"));
        quiet.wait().await?;
        doors.turn(&mut seen, plan.seconds).await?;
    }
    seen.tell(table, doors.haproxy.is_some())?;
    doors.gateway.stop()?;
    doors.silent.stop()
}

impl Doors {
    async fn open(folder: &Path) -> Result<Self> {
        let upstream = Upstream::start().await?;
        let config = configuration(upstream.port);
        let (first, second) = (folder.join("door"), folder.join("silent-door"));
        seed::folder(&first, FEW).await?;
        std::fs::create_dir_all(&second)?;
        let options = Options { config: Some(config), ..Options::default() };
        // Without limits, or so many could not sign in at once.
        let mut program = Program::start_with(&first, options.clone())?;
        let tokens = tokens(&mut program, &Accounts::new(FEW)).await?;
        program.stop()?;
        let gateway = Program::start_with(&first, Options { limits: true, ..options.clone() })?;
        let silent = Program::start_with(&second, Options { silent: true, ..options })?;
        let haproxy = haproxy::version().map(|_| Haproxy::start(folder, upstream.port)).transpose()?;
        let mut doors = Self { upstream, gateway, silent, tokens, haproxy };
        doors.refuse_strangers().await?;
        Ok(doors)
    }

    /// What is compared has to be really checked, or it is no comparison.
    async fn refuse_strangers(&mut self) -> Result<()> {
        let mut ports = vec![self.gateway.port];
        ports.extend(self.haproxy.iter().flat_map(|haproxy| &haproxy.checked).map(|checked| checked.port));
        for port in ports {
            let mut connection = Connection::open(port).await?;
            connection.call(&get(CHECKED, None)).await?.expect(401).context("without a token")?;
            let mut forged = self.tokens.first().context("nobody signed in")?.clone();
            forged.truncate(forged.len() - 4);
            forged.push_str("AAAA");
            let mut connection = Connection::open(port).await?;
            connection.call(&get(CHECKED, Some(&forged))).await?.expect(401).context("with a forged token")?;
        }
        Ok(())
    }

    async fn turn(&mut self, seen: &mut Seen, seconds: f64) -> Result<()> {
        let unknown = |_| None;
        let token = |number: usize| self.tokens.get(number).cloned();
        let (plain, checked) = (self.gateway.port, self.gateway.port);

        let [direct, alone_plain, alone_checked, alone_haproxy] = &mut seen.alone;
        let cpu = &mut self.gateway.cpu;
        direct.keep_quickest(measure(cpu, clients(self.upstream.port, PLAIN, 1, unknown).await?, seconds).await?);
        alone_plain.keep_quickest(measure(cpu, clients(plain, PLAIN, 1, unknown).await?, seconds).await?);
        alone_checked.keep_quickest(measure(cpu, clients(checked, CHECKED, 1, token).await?, seconds).await?);

        let silent = clients(self.silent.port, PLAIN, CLIENTS, unknown).await?;
        seen.silent.keep(measure(&mut self.silent.cpu, silent, seconds).await?);
        seen.logged.keep(measure(cpu, clients(plain, PLAIN, CLIENTS, unknown).await?, seconds).await?);
        seen.checked.keep(measure(cpu, clients(checked, CHECKED, CLIENTS, token).await?, seconds).await?);

        let Some(haproxy) = &mut self.haproxy else { return Ok(()) };
        let alone = clients(haproxy.plain, PLAIN, 1, unknown).await?;
        alone_haproxy.keep_quickest(measure(&mut haproxy.cpu, alone, seconds).await?);
        let [plain, with_checks @ ..] = &mut seen.haproxy;
        plain.keep(measure(&mut haproxy.cpu, clients(haproxy.plain, PLAIN, CLIENTS, unknown).await?, seconds).await?);
        for (best, checked) in with_checks.iter_mut().zip(&haproxy.checked) {
            let clients = clients(checked.port, CHECKED, CLIENTS, signed_by(&checked.signer)).await?;
            best.keep(measure(&mut haproxy.cpu, clients, seconds).await?);
        }
        Ok(())
    }
}

impl Seen {
    fn tell(&self, table: &mut Table, with_haproxy: bool) -> Result<()> {
        self.tell_latencies(table, with_haproxy)?;
        let (silent, logged, checked) = (self.silent.get()?, self.logged.get()?, self.checked.get()?);
        let beside = |one: &Measured, other: &Measured| one.cpu_micros / other.cpu_micros;
        table.load("gateway, nothing checked, no access log, 32 clients", &silent, &[]);
        let log = told(format!("{:.2} × without the log", beside(&logged, &silent)));
        table.load("gateway, nothing checked, access log", &logged, &[log]);
        let mut goals = vec![
            Goal::below(checked.cpu_micros, 18.0, "µs"),
            Goal::at_most(beside(&checked, &silent), 1.25, "nothing checked and no log"),
        ];
        let work = "gateway: token, identity headers, limit by user, access log";
        if !with_haproxy {
            table.load(work, &checked, &goals);
            table.plain("HAProxy is not installed, so it was not measured", &[]);
            return Ok(());
        }
        let [plain, rs256, es256] = &self.haproxy;
        let (plain, rs256, es256) = (plain.get()?, rs256.get()?, es256.get()?);
        goals.push(Goal::at_most(beside(&checked, &rs256), 0.5, "HAProxy with RS256"));
        table.load(work, &checked, &goals);
        let version = haproxy::version().unwrap_or_default();
        table.load(&format!("HAProxy {version}, plain, no log"), &plain, &[]);
        table.load("HAProxy: RS256 token, headers, limit by user, no log", &rs256, &[]);
        table.load("HAProxy: ES256 token, headers, limit by user, no log", &es256, &[]);
        Ok(())
    }

    fn tell_latencies(&self, table: &mut Table, with_haproxy: bool) -> Result<()> {
        let [direct, plain, checked, haproxy] = &self.alone;
        let (direct, plain, checked) = (direct.get()?, plain.get()?, checked.get()?);
        let added = |one: &Measured| one.p99.saturating_sub(direct.p99).as_secs_f64() * 1e3;
        let said = |one: &Measured| format!("{:.3} ms more at p99", added(one));
        table.times("an application that says hello, asked directly, 1 client", direct.p50, direct.p99, &[]);
        if with_haproxy {
            let haproxy = haproxy.get()?;
            table.times("through HAProxy, plain, 1 client", haproxy.p50, haproxy.p99, &[told(said(&haproxy))]);
        }
        table.times("through the gateway, nothing checked, 1 client", plain.p50, plain.p99, &[told(said(&plain))]);
        let goal = Goal { seen: said(&checked), wanted: "< 0.2 ms".into(), met: added(&checked) < 0.2 };
        table.times("through the gateway, everything checked, 1 client", checked.p50, checked.p99, &[goal]);
        Ok(())
    }
}

/// A figure without a goal.
fn told(seen: String) -> Goal {
    Goal { seen, wanted: String::new(), met: true }
}

/// Client and application never sleep meanwhile. To wake a sleeping process is the work of whoever sends to
/// it, and takes microseconds when it is on another core of a virtual machine: a door that is faster than its
/// load would be spared that and a slower one not, and behind a network neither has it to do.
async fn measure(cpu: &mut CpuMeter, clients: Vec<Same>, seconds: f64) -> Result<Measured> {
    let awake = tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    let measured = closed_loop(clients, Bounds::seconds(seconds), cpu).await;
    awake.abort();
    let (measured, clients) = measured?;
    drop(clients);
    // What the connections leave behind is not the next row's.
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(measured)
}

async fn clients(port: u16, path: &str, count: usize, token: impl Fn(usize) -> Option<String>) -> Result<Vec<Same>> {
    let mut clients = Vec::new();
    for number in 0..count {
        clients.push(Same::new(port, path, token(number).as_deref()).await?);
    }
    Ok(clients)
}

fn signed_by(signer: &Signer) -> impl Fn(usize) -> Option<String> {
    move |number| signer.token(number as u64).ok()
}

fn configuration(upstream: u16) -> String {
    format!(
        "\
public_url = \"http://localhost\"

[[gateway.routes]]
name = \"plain\"
path = \"/plain/\"
upstreams = [\"http://127.0.0.1:{upstream}\"]
auth = \"none\"

[[gateway.routes]]
name = \"checked\"
path = \"/checked/\"
upstreams = [\"http://127.0.0.1:{upstream}\"]
auth = \"required\"
limits = [{{ per = \"user\", rate = \"1000000/s\" }}]
"
    )
}
