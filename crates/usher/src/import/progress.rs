//! How far an import is, on a terminal and nowhere else.

use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::Summary;

/// A bar, if somebody looks.
pub struct Bar {
    bar: Option<ProgressBar>,
    read: Arc<AtomicU64>,
}

impl Bar {
    /// One for a file of this many bytes, of which `read` have been read.
    pub fn new(length: u64, read: Arc<AtomicU64>) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left");
        let bar = style.ok().filter(|_| stderr().is_terminal()).map(|style| ProgressBar::new(length).with_style(style));
        Self { bar, read }
    }

    /// Shows where it stands.
    pub fn show(&self, summary: &Summary) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.read.load(Ordering::Relaxed));
            bar.set_message(summary.rate());
        }
    }

    /// Takes it away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
