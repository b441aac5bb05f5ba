//! The program's access log, read as a machine would.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{PATIENCE, TestApp};

impl TestApp {
    /// The lines of the access log so far for which something holds.
    pub fn access_lines(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let text = self.logs.text();
        let lines = text.lines().filter(|line| line.contains("\"usher.access\""));
        let parsed = lines.map(|line| serde_json::from_str(line).expect("a line of the access log is JSON"));
        parsed.filter(|line| wanted(line)).collect()
    }

    /// Waits until there are so many of them.
    pub async fn wait_for_access_lines(&self, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let lines = self.access_lines(&wanted);
            if lines.len() >= count {
                return lines;
            }
            assert!(begun.elapsed() < PATIENCE, "{} lines instead of {count}:\n{}", lines.len(), self.logs.tail());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The line of the request with this id.
    pub async fn access_line(&self, request_id: &str) -> Value {
        let mut lines = self.wait_for_access_lines(1, |line| line["http.request.id"] == request_id).await;
        assert_eq!(lines.len(), 1, "one request has one line: {lines:?}");
        lines.remove(0)
    }

    /// Waits until the program has said something.
    pub async fn wait_until_said(&self, text: &str) {
        self.wait_until_said_times(text, 1).await;
    }

    /// The same, until it has said it so often.
    pub async fn wait_until_said_times(&self, text: &str, times: usize) {
        let begun = Instant::now();
        while self.logs.text().matches(text).count() < times {
            assert!(begun.elapsed() < PATIENCE, "it never said {text:?}:\n{}", self.logs.tail());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
