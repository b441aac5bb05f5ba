//! What the kernel knows: on which core a process runs, how much CPU and memory it took, and whether
//! the machine is quiet enough to measure on.

use std::collections::HashMap;
use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The core of whatever is measured.
pub const MEASURED_CORE: usize = 0;
/// The core of whatever puts load on it.
pub const LOAD_CORE: usize = 1;

/// Runs this thread, and what it starts from now on, on one core.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on core {core}"))
}

/// An error unless both cores are ours to use.
pub fn require_two_cores() -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    if !allowed.is_set(MEASURED_CORE) || !allowed.is_set(LOAD_CORE) {
        bail!("the bench needs cores 0 and 1: one for the program, one for the load");
    }
    Ok(())
}

/// Starts a process on the measured core. A child inherits the affinity of the thread that starts it.
pub fn spawn_measured(command: &mut Command) -> Result<Child> {
    pin(MEASURED_CORE)?;
    let child = command.spawn().with_context(|| format!("cannot start {command:?}"));
    pin(LOAD_CORE)?;
    child
}

/// The CPU time of a process, all its threads together.
///
/// The kernel counts nanoseconds for each thread, and forgets them when the thread ends; so it has to
/// be asked now and then, and what was last seen of a thread that is gone still counts.
pub struct CpuMeter {
    tasks: String,
    seen: HashMap<String, u64>,
}

impl CpuMeter {
    /// For this process.
    pub fn new(pid: u32) -> Self {
        Self { tasks: format!("/proc/{pid}/task"), seen: HashMap::new() }
    }

    /// Nanoseconds up to now.
    pub fn nanos(&mut self) -> Result<u64> {
        for task in fs::read_dir(&self.tasks).context("the process is gone")? {
            let task = task?;
            // A thread may end between the listing and the look.
            let Ok(counters) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let nanos = counters.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
            self.seen.insert(task.file_name().to_string_lossy().into_owned(), nanos);
        }
        Ok(self.seen.values().sum())
    }

    /// Waits until the process does next to nothing: what is still under way would be counted as
    /// part of the next row.
    pub async fn wait_until_idle(&mut self) -> Result<()> {
        self.wait_until_idle_for(Duration::from_mins(1)).await
    }

    /// The same, for something that is known to take longer.
    pub async fn wait_until_idle_for(&mut self, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        let mut before = self.nanos()?;
        while begun.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.nanos()?;
            if now - before < 1_000_000 {
                return Ok(());
            }
            before = now;
        }
        bail!("the program did not come to rest within {patience:?}")
    }
}

/// Resident memory, in MB of 10⁶ bytes.
pub fn resident_megabytes(pid: u32) -> Result<f64> {
    megabytes(pid, "VmRSS:")
}

/// The most that was ever resident, in MB of 10⁶ bytes.
pub fn largest_megabytes(pid: u32) -> Result<f64> {
    megabytes(pid, "VmHWM:")
}

fn megabytes(pid: u32, name: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in the status"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().with_context(|| format!("{name} is no number"))?;
    Ok(kib * 1024.0 / 1e6)
}

/// Waits for neighbours to be quiet, within bounds.
pub struct Quiet {
    /// How much waiting is left for the whole run.
    left: Duration,
    /// How often it was measured in spite of them.
    pub disturbed: u32,
}

impl Quiet {
    pub const fn with_patience(left: Duration) -> Self {
        Self { left, disturbed: 0 }
    }

    /// Returns when both cores together were at least nine tenths idle for a moment, or when there is
    /// no patience left.
    pub async fn wait(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let (idle, all) = jiffies()?;
            tokio::time::sleep(Duration::from_millis(250)).await;
            let (idle_now, all_now) = jiffies()?;
            if (idle_now - idle) * 10 >= (all_now - all) * 9 {
                break;
            }
            if begun.elapsed() > self.left {
                self.disturbed += 1;
                break;
            }
        }
        self.left = self.left.saturating_sub(begun.elapsed().saturating_sub(Duration::from_millis(300)));
        Ok(())
    }
}

/// Idle time and all time since the machine was started, of all cores.
fn jiffies() -> Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let counts: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|count| count.parse().ok()).collect();
    let idle = counts.get(3).zip(counts.get(4)).map(|(idle, waiting)| idle + waiting).context("/proc/stat is odd")?;
    Ok((idle, counts.iter().sum()))
}
