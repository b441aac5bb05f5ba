//! `cargo xtask test`: everything that has to pass, on a machine that has only Rust and a C compiler.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use xtask::postgres::{self, Server};
use xtask::tidy as rules;

use crate::step::{cargo, run as run_command, step, workspace_root};

/// Checks the architecture, builds once, starts private servers and runs the tests whose names
/// contain one of `filter`, or all.
pub fn run(filter: &[&str]) -> Result<()> {
    step("install what is missing", install)?;
    step("tidy", tidy)?;
    // The same packages, targets and profile as the run below, so that nothing compiles twice; it
    // also builds the plain `usher` that the whole-process tests start.
    step("build", || run_command(cargo().args(["build", "--workspace", "--all-targets", "--locked"])))?;
    let server = step("start PostgreSQL", Server::start)?;
    let outcome = step("run the tests", || {
        let mut tests = cargo();
        if has_nextest() {
            tests.args(["nextest", "run", "--no-fail-fast"]);
        } else {
            tests.args(["test", "--no-fail-fast"]);
        }
        tests.args(["--workspace", "--all-targets", "--locked"]).env("TEST_POSTGRES_URL", server.url());
        if has_nextest() {
            tests.args(filter);
        } else {
            tests.arg("--").args(filter);
        }
        run_command(&mut tests)
    });
    step("stop PostgreSQL", || server.stop())?;
    outcome
}

/// Checks what ARCHITECTURE.md promises about the source text.
pub fn tidy() -> Result<()> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata ended with {}", output.status);
    }
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata answered no JSON")?;
    let complaints = rules::check(&workspace_root(), &metadata)?;
    for complaint in &complaints {
        eprintln!("tidy: {complaint}");
    }
    if complaints.is_empty() { Ok(()) } else { bail!("{} rules are broken", complaints.len()) }
}

fn has_nextest() -> bool {
    let asked = cargo().args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Installs PostgreSQL's server and Chromium with its driver, if they are not there.
fn install() -> Result<()> {
    let mut packages = Vec::new();
    if postgres::binaries().is_none() {
        packages.push("postgresql");
    }
    for (program, package) in [("chromium", "chromium"), ("chromedriver", "chromium-driver")] {
        if !Path::new("/usr/bin").join(program).exists() {
            packages.push(package);
        }
    }
    if packages.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        bail!("the tests need more programs; as root, run: apt-get install {}", packages.join(" "));
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    run_command(apt().args(["update", "-qq"]))?;
    run_command(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
}
