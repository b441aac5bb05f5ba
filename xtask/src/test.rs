//! `cargo xtask test`: everything that has to pass, on a machine that has only Rust and a C compiler.

mod axe;
mod node;
mod packages;
mod python;
mod s3;
mod stamp;

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use xtask::postgres::Server;
use xtask::tidy as rules;

use self::node::Node;
use self::python::Python;
use crate::step::{cargo, run as run_command, step, workspace_root};

/// Checks the architecture, builds once, starts private servers and runs the tests whose names
/// contain one of `filter`, or all. The clients have test programs of their own, which know nothing of
/// our names: they run when nothing is filtered.
pub fn run(filter: &[&str]) -> Result<()> {
    step("install what is missing", packages::install)?;
    step("tidy", tidy)?;
    let python = step("prepare Python", || Python::prepare(&workspace_root()))?;
    let node = step("prepare Node", || Node::prepare(&workspace_root()))?;
    let axe = step("prepare axe-core", || axe::prepare(&workspace_root()))?;
    let s3 = step("prepare an S3 server", || s3::prepare(&workspace_root()))?;
    // The same packages, targets and profile as the run below, so that nothing compiles twice; it
    // also builds the plain `usher` that the whole-process tests start.
    step("build", || run_command(cargo().args(["build", "--workspace", "--all-targets", "--locked"])))?;
    let mut outcomes = Vec::new();
    if filter.is_empty() {
        outcomes.push(step("run the tests of the Python client", || run_command(&mut python.tests())));
        outcomes.push(step("run the tests of the TypeScript client", || run_command(&mut node.tests())));
    }
    let server = step("start PostgreSQL", Server::start_for_tests)?;
    outcomes.push(step("run the tests", || {
        let mut tests = tests(filter);
        tests.env("TEST_POSTGRES_URL", server.url());
        tests.env("TEST_PYTHON", python.program()).env("TEST_QUIZ_PYTHON", python.quiz());
        tests.env("TEST_NODE", node.program()).env("TEST_AXE", &axe).env("TEST_S3", &s3);
        run_command(&mut tests)
    }));
    step("stop PostgreSQL", || server.stop())?;
    // One failure must not hide the others, so all of them were run; the first one is the answer.
    outcomes.into_iter().collect()
}

/// Every Rust test of the workspace, or those whose names contain one of `filter`.
fn tests(filter: &[&str]) -> Command {
    let mut tests = cargo();
    let with_nextest = has_nextest();
    tests.args(if with_nextest { &["nextest", "run"][..] } else { &["test"] });
    tests.args(["--no-fail-fast", "--workspace", "--all-targets", "--locked"]);
    if !with_nextest {
        tests.arg("--");
    }
    tests.args(filter);
    tests
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
