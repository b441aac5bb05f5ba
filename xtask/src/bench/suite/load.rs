//! Load that waits for each answer before it asks again, and what came of it.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use super::machine::CpuMeter;

/// How long to load, bounded in time and in number.
#[derive(Clone, Copy)]
pub struct Bounds {
    pub time: Duration,
    pub requests_a_client: usize,
}

impl Bounds {
    pub const fn seconds(seconds: f64) -> Self {
        Self { time: Duration::from_micros((seconds * 1e6) as u64), requests_a_client: 500_000 }
    }
}

/// A client that asks one thing after the other.
pub trait Client: Send + 'static {
    /// Asks once and checks the answer. `false` when there is nothing left to ask.
    fn ask(&mut self) -> impl Future<Output = Result<bool>> + Send;
}

/// What a turn of load showed.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// CPU microseconds of the measured process for each request.
    pub cpu_micros: f64,
}

impl Measured {
    /// From the time of every request, the time of all, and the CPU that they took.
    pub fn new(mut latencies: Vec<Duration>, took: Duration, cpu_nanos: u64) -> Self {
        latencies.sort_unstable();
        let count = latencies.len().max(1) as f64;
        Self {
            per_second: count / took.as_secs_f64(),
            p50: percentile(&latencies, 0.50),
            p99: percentile(&latencies, 0.99),
            cpu_micros: cpu_nanos as f64 / 1e3 / count,
        }
    }
}

/// The value below which this share of sorted values lies; the last one if there are few.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let at = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(at.saturating_sub(1)).or(sorted.last()).copied().unwrap_or_default()
}

/// Lets all clients ask until the bounds are reached, and gives them back for the next turn. What
/// they asked last is waited for, so requests and CPU belong together.
pub async fn closed_loop<C: Client>(clients: Vec<C>, bounds: Bounds, cpu: &mut CpuMeter) -> Result<(Measured, Vec<C>)> {
    cpu.wait_until_idle().await?;
    let mut running = JoinSet::new();
    let cpu_before = cpu.nanos()?;
    let begun = Instant::now();
    for mut client in clients {
        running.spawn(async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < bounds.time && latencies.len() < bounds.requests_a_client {
                let asked = Instant::now();
                if !client.ask().await? {
                    break;
                }
                latencies.push(asked.elapsed());
            }
            anyhow::Ok((client, latencies))
        });
    }
    let (mut latencies, mut clients) = (Vec::new(), Vec::new());
    let mut sample = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            ended = running.join_next() => {
                let Some(ended) = ended else { break };
                let (client, of_client) = ended.context("a client panicked")??;
                clients.push(client);
                latencies.extend(of_client);
            }
            _ = sample.tick() => { cpu.nanos()?; }
        }
    }
    let took = begun.elapsed();
    cpu.wait_until_idle().await?;
    let spent = cpu.nanos()? - cpu_before;
    Ok((Measured::new(latencies, took, spent), clients))
}
