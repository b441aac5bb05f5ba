//! gRPC's own implementation on both sides of the gateway.

use std::process::Command;

use crate::process::{Process, free_address, handed_over, in_workspace};

/// A gRPC server that echoes.
pub struct GrpcEcho {
    /// The address as a route has it.
    pub url: String,
    _process: Process,
}

impl GrpcEcho {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let address = free_address();
        let port = address.rsplit(':').next().unwrap_or_default();
        let process = Process::start("the gRPC echo", script().args(["serve", port]));
        process.wait_until_open(&address).await;
        Self { url: format!("h2c://{address}"), _process: process }
    }
}

/// Calls all four kinds of method at an address; the user that the server was told about, or what went
/// wrong.
pub async fn grpc_call(target: &str, token: &str) -> Result<String, String> {
    let mut command = script();
    command.args(["call", target.trim_start_matches("http://"), token]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("Python");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn script() -> Command {
    let mut command = Command::new(handed_over("TEST_PYTHON"));
    command.arg(in_workspace("e2e/services/grpc_echo.py")).env("PYTHONUNBUFFERED", "1");
    command
}
