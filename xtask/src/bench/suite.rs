//! The rows, in the order in which they are measured: everything that is compared goes in turns, one
//! after the other within seconds, because the machine may be shared; of its turns the one with the
//! least CPU a request is shown, for a neighbour can only add to it.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times of a few minutes are far below what a float keeps exactly"
)]

mod checking;
mod client;
mod clients;
mod door;
mod finding;
mod haproxy;
mod importing;
mod inboxes;
mod listeners;
mod load;
mod machine;
mod overload;
pub mod peers;
mod pictures;
mod program;
mod revocation;
mod seed;
mod sink;
mod table;
mod telling;
mod tokens;
mod upstream;
mod visitor;
mod work;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::bench::GROUPS;
use crate::step::workspace_root;
use machine::{LOAD_CORE, Quiet, pin, require_two_cores};
use table::Table;
use work::Suite;

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Plan {
    /// How often each row is measured; the best turn counts.
    turns: usize,
    /// Seconds of a turn of sign-ins, and of everything else.
    sign_in_seconds: f64,
    seconds: f64,
    overload_seconds: f64,
    /// How many users are banned at each number of verifiers, and for how long trust ends all the time.
    bans: usize,
    revocation_seconds: u32,
    /// How long to wait before memory is looked at after a load.
    rest: Duration,
    /// How many accounts the large database has.
    many: usize,
    /// How many accounts there are to find some among.
    very_many: usize,
    /// For how long, in all, to wait for neighbours to be quiet.
    patience: Duration,
}

const FULL: Plan = Plan {
    turns: 3,
    sign_in_seconds: 4.0,
    seconds: 2.0,
    overload_seconds: 10.0,
    bans: 60,
    revocation_seconds: 60,
    rest: Duration::from_mins(1),
    many: 100_000,
    very_many: 1_000_000,
    patience: Duration::from_secs(100),
};

const QUICK: Plan = Plan {
    turns: 1,
    sign_in_seconds: 2.0,
    seconds: 1.0,
    overload_seconds: 3.0,
    bans: 10,
    revocation_seconds: 10,
    rest: Duration::from_secs(25),
    many: 10_000,
    very_many: 100_000,
    patience: Duration::from_secs(5),
};

impl Plan {
    /// How many accounts the large database has, for people.
    fn accounts(&self) -> String {
        format!("{},000", self.many / 1000)
    }
}

/// Measures everything, or the groups that are named, and prints the table.
pub fn run(words: &[&str]) -> Result<()> {
    let plan = if words.contains(&"--quick") { QUICK } else { FULL };
    let named = |group: &str| words.contains(&group) || !words.iter().any(|word| GROUPS.contains(word));
    require_two_cores()?;
    pin(LOAD_CORE)?;
    let folder = Folder::make(workspace_root().join(format!("target/bench-{}", std::process::id())))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let begun = Instant::now();
    let mut table = Table::new();
    let quiet = runtime.block_on(async {
        let mut quiet = Quiet::with_patience(plan.patience);
        if named("accounts") {
            quiet = accounts(plan, &folder.0, quiet, &mut table).await?;
        }
        if named("users") {
            finding::rows(plan, &folder.0, &mut quiet, &mut table).await?;
        }
        if named("import") {
            importing::rows(plan, &folder.0, &mut quiet, &mut table).await?;
        }
        if named("pictures") {
            pictures::rows(plan, &folder.0, &mut quiet, &mut table).await?;
        }
        if named("mail") {
            telling::rows(plan, &folder.0, &mut quiet, &mut table).await?;
        }
        if named("inbox") {
            inboxes::rows(plan, &folder.0, &mut quiet, &mut table).await?;
        }
        if named("gateway") {
            door::rows(plan, &folder.0, &mut quiet, &mut table).await?;
        }
        if named("verify") {
            checking::rows(plan, &mut quiet, &mut table).await?;
        }
        if named("revocation") {
            revocation::rows(plan, &folder.0, &mut quiet, &mut table).await?;
        }
        anyhow::Ok(quiet)
    })?;
    println!("{}", table.text());
    println!("Measured in {:.0} s, the best of {} turns.", begun.elapsed().as_secs_f64(), plan.turns);
    if quiet.disturbed > 0 {
        println!("{} turns were measured although neighbours used more than a tenth of the machine.", quiet.disturbed);
    }
    for missed in table.missed() {
        println!("Missed: {missed}");
    }
    Ok(())
}

/// Signing in, asking who one is, refreshing, and more of it than fits.
async fn accounts(plan: Plan, folder: &Path, quiet: Quiet, table: &mut Table) -> Result<Quiet> {
    let mut suite = Suite::prepare(plan, folder, quiet).await?.start_and_rest(table).await?;
    suite.sign_in(table).await?;
    suite.who_am_i(table).await?;
    suite.refresh(table).await?;
    suite.memory_after_rest(table).await?;
    suite.too_many(table).await?;
    suite.end()
}

/// A folder that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn make(path: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Says on standard error what is being done.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
