//! What the program said, and what must not be in it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Everything that a program wrote to its two outputs, over all its lives.
#[derive(Clone, Default)]
pub struct Logs {
    text: Arc<Mutex<String>>,
    secrets: Arc<Mutex<BTreeSet<String>>>,
}

impl Logs {
    /// Reads an output to its end, on a thread of its own.
    pub fn follow(&self, output: impl Read + Send + 'static) -> JoinHandle<()> {
        let text = self.text.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let mut text = lock(&text);
                text.push_str(&String::from_utf8_lossy(&line));
                text.push('\n');
            }
        })
    }

    /// All of it so far.
    pub fn text(&self) -> String {
        lock(&self.text).clone()
    }

    /// The last lines, for the message of a test that failed.
    pub fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// From now on, this text in the output is a failure.
    pub fn never(&self, secret: &str) {
        if secret.len() >= 8 {
            lock(&self.secrets).insert(secret.to_owned());
        }
    }

    /// The lines that say what must never be said.
    pub fn leaks(&self) -> Vec<String> {
        let text = self.text();
        let secrets = lock(&self.secrets);
        text.lines().filter(|line| secrets.iter().any(|secret| line.contains(secret))).map(str::to_owned).collect()
    }
}

/// A panic elsewhere must not hide what was logged.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
