//! Usher: accounts, sessions and tokens for a product, in one program.
//!
//! `usher serve` runs it. `cli` has the words of the command line, `config` what can be set, `only`
//! which services a process runs, `assemble` puts them together, `serve` serves them, `upkeep` is what
//! runs beside the requests. `control` lets other commands talk to a running server, `commands` does
//! what they ask; `import` and `export` move accounts in and out through it.

mod assemble;
mod cli;
mod commands;
mod config;
mod control;
mod doors;
mod export;
mod import;
mod logs;
mod metrics;
mod only;
mod openapi;
mod private;
mod revocations;
mod rewrap;
mod serve;
mod setup;
mod upkeep;

use std::process::ExitCode;

use clap::Parser as _;

/// Better than the system's at giving memory back and at small allocations on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A connection is a file, and many systems begin with 1,024. The hard limit is the operator's word.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    // If it cannot be raised, fewer connections fit; the server says so when it comes to that.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    // Whatever is made from here on, database and socket included, is for nobody else to read.
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    raise_file_limit();
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}
