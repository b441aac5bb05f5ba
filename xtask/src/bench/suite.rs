//! The rows, in the order in which they are measured: everything that is compared goes in turns, one
//! after the other within seconds, because the machine may be shared; of its turns the one with the
//! least CPU a request is shown, for a neighbour can only add to it.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times of a few minutes are far below what a float keeps exactly"
)]

mod client;
mod clients;
mod load;
mod machine;
mod overload;
pub mod peers;
mod program;
mod seed;
mod table;
mod work;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::step::workspace_root;
use machine::{LOAD_CORE, pin, require_two_cores};
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
    /// How long to wait before memory is looked at after a load.
    rest: Duration,
    /// How many accounts the large database has.
    many: usize,
    /// For how long, in all, to wait for neighbours to be quiet.
    patience: Duration,
}

const FULL: Plan = Plan {
    turns: 3,
    sign_in_seconds: 4.0,
    seconds: 2.0,
    overload_seconds: 10.0,
    rest: Duration::from_mins(1),
    many: 100_000,
    patience: Duration::from_secs(100),
};

const QUICK: Plan = Plan {
    turns: 1,
    sign_in_seconds: 2.0,
    seconds: 1.0,
    overload_seconds: 3.0,
    rest: Duration::from_secs(25),
    many: 10_000,
    patience: Duration::from_secs(5),
};

impl Plan {
    /// How many accounts the large database has, for people.
    fn accounts(&self) -> String {
        format!("{},000", self.many / 1000)
    }
}

/// Measures everything and prints the table.
pub fn run(flags: &[&str]) -> Result<()> {
    let plan = if flags.contains(&"--quick") { QUICK } else { FULL };
    require_two_cores()?;
    pin(LOAD_CORE)?;
    let folder = Folder::make(workspace_root().join(format!("target/bench-{}", std::process::id())))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let begun = Instant::now();
    let mut table = Table::new();
    let disturbed = runtime.block_on(async {
        let mut suite = Suite::prepare(plan, &folder.0).await?.start_and_rest(&mut table).await?;
        suite.sign_in(&mut table).await?;
        suite.who_am_i(&mut table).await?;
        suite.refresh(&mut table).await?;
        suite.memory_after_rest(&mut table).await?;
        suite.too_many(&mut table).await?;
        suite.end()
    })?;
    println!("{}", table.text());
    println!("Measured in {:.0} s, the best of {} turns.", begun.elapsed().as_secs_f64(), plan.turns);
    if disturbed > 0 {
        println!("{disturbed} turns were measured although neighbours used more than a tenth of the machine.");
    }
    for missed in table.missed() {
        println!("Missed: {missed}");
    }
    Ok(())
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
