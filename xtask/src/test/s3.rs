//! A store that speaks S3, for the tests of what is kept in one: s3rver, from the npm registry.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::step::run as run_command;

/// The version: another one may answer otherwise, and a test must not begin to fail by itself.
const VERSION: &str = "3.7.1";

/// Fetches the program once; where it is.
pub fn prepare(root: &Path) -> Result<PathBuf> {
    let folder = root.join("target/test-s3");
    let script = folder.join("node_modules/s3rver/bin/s3rver.js");
    let stamp = folder.join(format!(".installed-{VERSION}"));
    if stamp.exists() && script.exists() {
        return Ok(script);
    }
    std::fs::create_dir_all(&folder)?;
    let install = ["install", "--no-audit", "--no-fund", "--no-save", "--loglevel=error", "--prefix"];
    run_command(Command::new("npm").args(install).arg(&folder).arg(format!("s3rver@{VERSION}")))?;
    if !script.exists() {
        bail!("s3rver {VERSION} has no {}", script.display());
    }
    std::fs::write(&stamp, "")?;
    Ok(script)
}
