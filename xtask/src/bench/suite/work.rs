//! Each group of rows: what is set up, what is measured in turns, what it is held against.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use xtask::postgres::free_port;

use super::clients::{Accounts, FreshMe, Refresh, Same, SignIn, SignUp};
use super::load::{Bounds, Client, Measured, closed_loop, percentile};
use super::machine::{Quiet, resident_megabytes};
use super::program::Program;
use super::table::{Goal, Table};
use super::{Plan, overload, peers, say, seed};

/// Who signs in at once.
const SIGN_IN_CLIENTS: usize = 16;
/// Who asks who they are, or refreshes, at once; and as many tasks commit.
pub const CLIENTS: usize = 32;
/// Accounts in the small database.
pub const FEW: usize = 100;

/// The programs that are measured, and what is kept from row to row.
pub struct Suite {
    plan: Plan,
    folder: PathBuf,
    quiet: Quiet,
    /// With few accounts. Only signs people in, so that its memory tells what that takes.
    signing_in: Program,
    /// With few accounts, for everything else.
    small: Program,
    large: Program,
    few: Accounts,
    many: Accounts,
    idle_since: Instant,
    most_megabytes: f64,
}

impl Suite {
    /// Makes the folders and starts the programs.
    pub async fn prepare(plan: Plan, folder: &Path, quiet: Quiet) -> Result<Self> {
        say(&format!("make databases with {FEW}, {FEW} and {} accounts", plan.many));
        let folders = ["signing-in", "small", "large"].map(|name| folder.join(name));
        let [signing_in, small, large] = &folders;
        seed::folder(signing_in, FEW).await?;
        seed::folder(small, FEW).await?;
        seed::folder(large, plan.many).await?;
        Ok(Self {
            plan,
            folder: folder.to_owned(),
            quiet,
            signing_in: Program::start(signing_in)?,
            small: Program::start(small)?,
            large: Program::start(large)?,
            few: Accounts::new(FEW),
            many: Accounts::new(plan.many),
            idle_since: Instant::now(),
            most_megabytes: 0.0,
        })
    }

    /// How long it takes to start, and what it takes to be there.
    pub async fn start_and_rest(mut self, table: &mut Table) -> Result<Self> {
        say("start");
        let mut took = Vec::new();
        for _ in 0..5 * self.plan.turns {
            self.quiet.wait().await?;
            self.signing_in = self.signing_in.restart()?;
            took.push(self.signing_in.started_in);
        }
        took.sort_unstable();
        let median = percentile(&took, 0.5);
        let goal = Goal::below(median.as_secs_f64() * 1e3, 50.0, "ms");
        table.times("start to first 200, existing folder", median, percentile(&took, 0.99), &[goal]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let resident = resident_megabytes(self.signing_in.id())?;
        table.plain("resident, idle after start", &[Goal::below(resident, 30.0, "MB")]);
        Ok(self)
    }

    /// Sign-in and sign-up beside the hash.
    pub async fn sign_in(&mut self, table: &mut Table) -> Result<()> {
        let time = self.plan.sign_in_seconds;
        let mut few = sign_in_clients(&self.signing_in, &self.few, SIGN_IN_CLIENTS).await?;
        let mut many = sign_in_clients(&self.large, &self.many, SIGN_IN_CLIENTS).await?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut new = Vec::new();
        for _ in 0..SIGN_IN_CLIENTS {
            new.push(SignUp::new(self.large.port, &next).await?);
        }
        let (mut hashes, mut small, mut large, mut sign_up) = (Best::none(), Best::none(), Best::none(), Best::none());
        for turn in 1..=self.plan.turns {
            say(&format!("hash, sign in, sign up: turn {turn}"));
            self.quiet.wait().await?;
            hashes.keep(peers::measure_hash(time / 2.0).await?);
            few = small.turn(few, time, &mut self.signing_in).await?;
            self.most_megabytes = self.most_megabytes.max(resident_megabytes(self.signing_in.id())?);
            self.idle_since = Instant::now();
            many = large.turn(many, time, &mut self.large).await?;
            hashes.keep(peers::measure_hash(time / 2.0).await?);
            new = sign_up.turn(new, time, &mut self.large).await?;
        }
        let (hash, small, large, sign_up) = (hashes.get()?, small.get()?, large.get()?, sign_up.get()?);
        let beside = |measured: &Measured, most| Goal::at_most(measured.cpu_micros / hash.cpu_micros, most, "the hash");
        table.load("Argon2id alone (19 MiB, 2 passes, 1 lane)", &hash, &[]);
        let rate = Goal::above(small.per_second, 60.0, "/s");
        table.load("sign-in, 16 clients, 100 accounts", &small, &[beside(&small, 1.05), rate]);
        let apart = apart(&large, &small);
        table.load(&format!("sign-in, {} accounts", self.plan.accounts()), &large, &[beside(&large, 1.05), apart]);
        table.load(&format!("sign-up, {} accounts", self.plan.accounts()), &sign_up, &[beside(&sign_up, 1.05)]);
        table.plain("resident, while they sign in", &[noted(self.most_megabytes, "MB")]);
        Ok(())
    }

    /// Who-am-I beside a handler that says hello.
    pub async fn who_am_i(&mut self, table: &mut Table) -> Result<()> {
        let mut hello_server = peers::start_hello(free_port()?)?;
        let (mut greeting, mut few, mut many) = (Vec::new(), Vec::new(), Vec::new());
        for token in tokens(&mut self.small, &self.few).await? {
            few.push(Same::me(self.small.port, &token).await?);
            greeting.push(Same::hello(hello_server.port).await?);
        }
        for token in tokens(&mut self.large, &self.many).await? {
            many.push(Same::me(self.large.port, &token).await?);
        }
        let (mut hello, mut small, mut large, mut fresh) = (Best::none(), Best::none(), Best::none(), Best::none());
        let time = self.plan.seconds;
        for turn in 1..=self.plan.turns {
            say(&format!("hello, who am I: turn {turn}"));
            self.quiet.wait().await?;
            let bounds = Bounds::seconds(time);
            let (measured, back) = closed_loop(greeting, bounds, &mut hello_server.cpu).await?;
            greeting = back;
            hello.keep(measured);
            few = small.turn(few, time, &mut self.small).await?;
            many = large.turn(many, time, &mut self.large).await?;
            let unseen = unseen_tokens(&mut self.small, &self.few).await?;
            fresh.turn(unseen, 30.0, &mut self.small).await?;
        }
        let (hello, small, large, fresh) = (hello.get()?, small.get()?, large.get()?, fresh.get()?);
        let beside = |measured: &Measured| Goal::at_most(measured.cpu_micros / hello.cpu_micros, 1.8, "hello");
        table.load("axum handler that says hello, 32 clients", &hello, &[]);
        table.load("who am I, token seen before", &small, &[beside(&small)]);
        let apart = apart(&large, &small);
        table.load(&format!("who am I, {} accounts", self.plan.accounts()), &large, &[beside(&large), apart]);
        table.load("who am I, token never seen", &fresh, &[]);
        Ok(())
    }

    /// Refresh beside commits of one row.
    pub async fn refresh(&mut self, table: &mut Table) -> Result<()> {
        let mut few = refresh_clients(&mut self.small, &self.few).await?;
        let mut many = refresh_clients(&mut self.large, &self.many).await?;
        let (mut commits, mut small, mut large) = (Best::none(), Best::none(), Best::none());
        let time = self.plan.seconds;
        for turn in 1..=self.plan.turns {
            say(&format!("commits, refresh: turn {turn}"));
            self.quiet.wait().await?;
            commits.keep(peers::measure_commits(&self.folder, CLIENTS, time).await?);
            few = small.turn(few, time, &mut self.small).await?;
            many = large.turn(many, time, &mut self.large).await?;
        }
        let (commits, small, large) = (commits.get()?, small.get()?, large.get()?);
        let share = 100.0 * small.per_second / commits.per_second;
        table.load("commits of one row, 32 tasks, no HTTP", &commits, &[]);
        table.load("refresh, 32 clients, 100 accounts", &small, &[Goal::above(share, 50.0, "% of the commits")]);
        table.load(&format!("refresh, {} accounts", self.plan.accounts()), &large, &[apart(&large, &small)]);
        Ok(())
    }

    /// What is left of the memory after the sign-ins.
    pub async fn memory_after_rest(&mut self, table: &mut Table) -> Result<()> {
        let left = self.plan.rest.saturating_sub(self.idle_since.elapsed());
        say(&format!("let it rest for another {} s", left.as_secs()));
        tokio::time::sleep(left).await;
        let resident = resident_megabytes(self.signing_in.id())?;
        let work = format!("resident, {} s after the sign-ins", self.idle_since.elapsed().as_secs());
        table.plain(&work, &[Goal::below(resident, 60.0, "MB")]);
        Ok(())
    }

    /// Ten times what fits, and clients that hang up.
    pub async fn too_many(&mut self, table: &mut Table) -> Result<()> {
        say("sign in ten times as often as fits");
        self.quiet.wait().await?;
        let clients = sign_in_clients(&self.small, &self.few, SIGN_IN_CLIENTS).await?;
        let mut capacity = Best::none();
        let clients = capacity.turn(clients, self.plan.sign_in_seconds, &mut self.small).await?;
        let token = clients.first().map(|client| client.access_token.clone()).context("nobody signed in")?;
        drop(clients);
        let capacity = capacity.get()?.per_second;
        let time = Duration::from_secs_f64(self.plan.overload_seconds);
        let seen = overload::run(&self.small, &self.few, &token, 10.0 * capacity, time).await?;
        let p99 = Goal::below(seen.me_p99.as_secs_f64() * 1e3, 5.0, "ms");
        table.times("who am I, 100/s, while sign-ins come at ten times what fits", seen.me_p50, seen.me_p99, &[p99]);
        let share = Goal::above(100.0 * seen.sign_ins_per_second / capacity, 90.0, "% of capacity");
        let accepted = format!("sign-ins that got in then ({capacity:.0}/s fit)");
        table.plain(&accepted, &[noted(seen.sign_ins_per_second, "/s"), share]);
        let refused = Goal::below(seen.refused_p99.as_secs_f64() * 1e3, 50.0, "ms");
        let work = format!("sign-ins refused then, {:.0}/s", seen.refused_per_second);
        table.times(&work, seen.refused_p50, seen.refused_p99, &[refused]);

        say("hang up");
        let hung_up = overload::hang_up(&mut self.small, &self.few, 64).await?;
        let (spent, begun) = (hung_up.spent, hung_up.begun);
        let goal =
            Goal { seen: format!("{spent} hashes"), wanted: format!("≤ {begun} begun before"), met: spent <= begun };
        table.plain("64 waiting clients hang up", &[goal]);
        for (peer, cpu_micros) in ELSEWHERE {
            table.elsewhere(&format!("*who am I, elsewhere, once: {peer}*"), cpu_micros);
        }
        Ok(())
    }

    /// Stops the programs. What is left of the patience.
    pub fn end(self) -> Result<Quiet> {
        self.signing_in.stop()?;
        self.small.stop()?;
        self.large.stop()?;
        Ok(self.quiet)
    }
}

/// Who-am-I of what a user would pick instead: CPU microseconds a request, measured once on such a
/// machine as their users would run them (November 2026), not by this command.
const ELSEWHERE: [(&str, u32); 6] = [
    ("Rauthy", 226),
    ("Glewlwyd", 320),
    ("PocketBase", 325),
    ("GoTrue", 693),
    ("Express with PostgreSQL", 802),
    ("better-auth", 1_215),
];

/// The best of some turns.
#[derive(Default)]
pub struct Best(Option<Measured>);

impl Best {
    pub const fn none() -> Self {
        Self(None)
    }

    pub fn keep(&mut self, measured: Measured) {
        if self.0.is_none_or(|best| measured.cpu_micros < best.cpu_micros) {
            self.0 = Some(measured);
        }
    }

    /// The same where the time counts and not the CPU.
    pub fn keep_quickest(&mut self, measured: Measured) {
        if self.0.is_none_or(|best| measured.p99 < best.p99) {
            self.0 = Some(measured);
        }
    }

    async fn turn<C: Client>(&mut self, clients: Vec<C>, seconds: f64, program: &mut Program) -> Result<Vec<C>> {
        let (measured, clients) = closed_loop(clients, Bounds::seconds(seconds), &mut program.cpu).await?;
        self.keep(measured);
        Ok(clients)
    }

    pub fn get(&self) -> Result<Measured> {
        self.0.context("a row was not measured")
    }
}

fn apart(large: &Measured, small: &Measured) -> Goal {
    Goal::at_most(large.cpu_micros / small.cpu_micros, 1.1, "100 accounts")
}

/// A value without a goal.
pub fn noted(value: f64, unit: &str) -> Goal {
    Goal { seen: format!("{value:.1} {unit}"), wanted: String::new(), met: true }
}

async fn sign_in_clients(program: &Program, accounts: &Accounts, count: usize) -> Result<Vec<SignIn>> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(SignIn::new(program.port, accounts).await?);
    }
    Ok(clients)
}

/// Clients that have signed in once.
async fn signed_in(program: &mut Program, accounts: &Accounts) -> Result<Vec<SignIn>> {
    let clients = sign_in_clients(program, accounts, CLIENTS).await?;
    let once = Bounds { time: Duration::from_secs(30), requests_a_client: 1 };
    Ok(closed_loop(clients, once, &mut program.cpu).await?.1)
}

/// Access tokens of as many users as there are clients.
pub async fn tokens(program: &mut Program, accounts: &Accounts) -> Result<Vec<String>> {
    Ok(signed_in(program, accounts).await?.into_iter().map(|client| client.access_token).collect())
}

async fn refresh_clients(program: &mut Program, accounts: &Accounts) -> Result<Vec<Refresh>> {
    Ok(signed_in(program, accounts).await?.into_iter().map(SignIn::into_refresh).collect())
}

/// Clients with a hundred tokens each that the program has given out and not seen yet.
async fn unseen_tokens(program: &mut Program, accounts: &Accounts) -> Result<Vec<FreshMe>> {
    let mut clients = refresh_clients(program, accounts).await?;
    for client in &mut clients {
        client.collected = Some(Vec::new());
    }
    let hundred = Bounds { time: Duration::from_secs(30), requests_a_client: 100 };
    let (_, clients) = closed_loop(clients, hundred, &mut program.cpu).await?;
    let mut fresh = Vec::new();
    for client in clients {
        fresh.push(FreshMe::new(program.port, &client.collected.unwrap_or_default()).await?);
    }
    Ok(fresh)
}
