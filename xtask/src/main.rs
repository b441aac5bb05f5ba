//! `cargo xtask …`: whatever a developer types beside `cargo run`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to a person")]

mod bench;
mod seed;
mod step;
mod test;

use std::process::ExitCode;

const WORDS: &str = "\
cargo xtask test [FILTER]   install what the tests need, start private servers, run every test
cargo xtask tidy            check the rules of the architecture that the compiler does not know
cargo xtask bench [--quick] [GROUP …]   measure the program beside what it cannot beat, for docs/performance.md
cargo xtask seed [--users N] [--data DIR] [--database URL]   import a million made-up accounts, the same on both databases";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test", filter @ ..] => test::run(filter),
        ["tidy"] => test::tidy(),
        ["bench" | "bench-run" | "bench-peer", ..] => bench::run(&words),
        ["seed", flags @ ..] => seed::run(flags),
        _ => {
            eprintln!("{WORDS}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
