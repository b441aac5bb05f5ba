//! One step of a longer command: its name, what it took, and which one failed.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// Runs one step, says how long it took, and names it if it fails.
pub fn step<T>(name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("── {name}");
    let begun = Instant::now();
    let done = run().with_context(|| format!("the step \"{name}\" failed"))?;
    println!("── {name}: done in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(done)
}

/// Runs a command to its end, with its output shown as it comes.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// The folder of the workspace, wherever the command was typed.
pub fn workspace_root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map_or(own.clone(), PathBuf::from)
}

/// The cargo that started this, or the one on the path.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_root());
    command
}
