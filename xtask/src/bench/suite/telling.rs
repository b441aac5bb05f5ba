//! Mail: how soon it is handed over, how many a second, and what a mail server that hangs does to sign-ups.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use kernel::{Clock, Event, Kind, UserId};
use storage::{Db, Settings};

use super::clients::SignUp;
use super::load::{Bounds, Client as _, closed_loop, percentile};
use super::machine::Quiet;
use super::program::{Options, Program};
use super::seed;
use super::sink::Sink;
use super::table::{Goal, Table, thousands};
use super::work::Best;
use super::{Plan, say};

/// How long all mails may take to come.
const PATIENCE: Duration = Duration::from_mins(2);
/// Who signs up at once.
const CLIENTS: usize = 4;

/// The rows.
pub async fn rows(plan: Plan, folder: &Path, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    how_soon(plan, &folder.join("mail-idle"), quiet, table).await?;
    how_many(plan, &folder.join("mail-many"), quiet, table).await?;
    when_it_hangs(plan, folder, quiet, table).await
}

fn start(folder: &Path, sink: &Sink) -> Result<Program> {
    std::fs::create_dir_all(folder)?;
    Program::start_with(folder, Options { config: Some(sink.config.clone()), ..Options::default() })
}

/// One sign-up after the other, each with its mail, in a program that does nothing else.
async fn how_soon(plan: Plan, folder: &Path, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    let mut sink = Sink::start(false).await?;
    let program = start(folder, &sink)?;
    say("mail when idle");
    quiet.wait().await?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut client = SignUp::new(program.port, &next).await?;
    let mut took = Vec::new();
    for _ in 0..plan.bans * 5 {
        client.ask().await?;
        let answered = Instant::now();
        let mail = tokio::time::timeout(PATIENCE, sink.taken.recv()).await?.context("the sink is gone")?;
        took.push(mail.saturating_duration_since(answered));
        // Whatever else the same event says is over before the next.
        tokio::time::sleep(Duration::from_millis(20)).await;
        while sink.taken.try_recv().is_ok() {}
    }
    program.stop()?;
    took.sort_unstable();
    let p99 = percentile(&took, 0.99);
    let goal = Goal::below(p99.as_secs_f64() * 1e3, 50.0, "ms at p99");
    table.times("sign-up answered → its mail taken by the mail server, idle", percentile(&took, 0.5), p99, &[goal]);
    Ok(())
}

/// Very many events at once that everybody is told of by mail.
async fn how_many(plan: Plan, folder: &Path, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    let many = plan.many / 5;
    let mut best: Option<(f64, f64)> = None;
    for turn in 1..=plan.turns {
        let folder = folder.join(turn.to_string());
        say(&format!("{many} mails: turn {turn}"));
        let ids = prepare(&folder, many).await?;
        let mut sink = Sink::start(false).await?;
        quiet.wait().await?;
        let mut program = start(&folder, &sink)?;
        let before = program.cpu.nanos()?;
        let mut first = None;
        for _ in 0..ids {
            let mail = tokio::time::timeout(PATIENCE, sink.taken.recv()).await.context("not all mails came")?;
            first.get_or_insert(mail.context("the sink is gone")?);
        }
        let took = first.context("no mail came")?.elapsed().as_secs_f64();
        let cpu = (program.cpu.nanos()? - before) as f64 / 1e3 / ids as f64;
        // The answer to the last mail is still on its way, and to stop takes the thread of the mail server.
        program.cpu.wait_until_idle().await?;
        program.stop()?;
        let rate = ids as f64 / took;
        if best.is_none_or(|(most, _)| rate > most) {
            best = Some((rate, cpu));
        }
    }
    let (rate, cpu) = best.context("nothing was measured")?;
    let seen = [
        Goal::above(rate, 2_000.0, "mails/s"),
        Goal { seen: format!("{cpu:.0} µs of CPU each"), wanted: String::new(), met: true },
    ];
    table.plain(&format!("{} events told by mail, SQLite, one core", thousands(many)), &seen);
    Ok(())
}

/// A database in which everybody has just changed their password; how many they are.
async fn prepare(folder: &Path, accounts: usize) -> Result<usize> {
    seed::folder(folder, accounts).await?;
    let ids = seed::ids(folder).await?;
    let db = Db::open(&Settings::sqlite(folder.join("usher.db"), 2), &seed::migrations(), false).await?;
    let now = Clock::system().now();
    for piece in ids.chunks(1_000) {
        let mut tx = db.begin().await?;
        for id in piece {
            let Ok(user) = id.parse::<UserId>() else { bail!("{id} is no id of an account") };
            tx.append(Event::new(Kind::PasswordChanged, now).about(user));
        }
        tx.commit().await?;
    }
    db.close().await;
    Ok(ids.len())
}

/// Sign-ups while the mail server serves, and while it says nothing.
async fn when_it_hangs(plan: Plan, folder: &Path, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    let (serving, hanging) = (Sink::start(false).await?, Sink::start(true).await?);
    let mut programs = [start(&folder.join("mail-serves"), &serving)?, start(&folder.join("mail-hangs"), &hanging)?];
    let mut best = [Best::none(), Best::none()];
    let next = Arc::new(AtomicUsize::new(0));
    for turn in 1..=plan.turns {
        say(&format!("sign-ups with a mail server that hangs: turn {turn}"));
        for (program, best) in programs.iter_mut().zip(&mut best) {
            quiet.wait().await?;
            let mut clients = Vec::new();
            for _ in 0..CLIENTS {
                clients.push(SignUp::new(program.port, &next).await?);
            }
            let bounds = Bounds::seconds(plan.sign_in_seconds);
            best.keep_quickest(closed_loop(clients, bounds, &mut program.cpu).await?.0);
        }
    }
    let [serves, hangs] = best;
    let (serves, hangs) = (serves.get()?, hangs.get()?);
    table.load(&format!("sign-up, {CLIENTS} clients, the mail server serves"), &serves, &[]);
    let ratio = hangs.p99.as_secs_f64() / serves.p99.as_secs_f64().max(1e-6);
    let goal = Goal::at_most(ratio, 1.1, "the p99 with one that serves");
    table.load(&format!("sign-up, {CLIENTS} clients, the mail server hangs"), &hangs, &[goal]);
    Ok(())
}
