//! Reading a file that may be of any size and say anything: never more than a row of it in memory.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest row that is read, in bytes. One of ours has a few hundred, and preferences at most 16 KiB.
pub const LONGEST_ROW: u64 = 256 * 1024;
/// What is read of a file at a time, in bytes.
pub const CHUNK: usize = 64 * 1024;

/// A reader that fails when a row is too long, and says how far it is.
pub struct Bounded<R> {
    inner: R,
    left: Budget,
    read: Arc<AtomicU64>,
}

/// How many bytes may still be read before a row has to end.
#[derive(Clone)]
pub struct Budget(Rc<Cell<u64>>);

impl Budget {
    /// A row begins. What is read ahead is not known here, so that a chunk may come on top.
    pub fn begin_row(&self) {
        self.0.set(LONGEST_ROW + CHUNK as u64);
    }

    /// What follows is passed over without being kept, however long it is.
    pub fn pass_over(&self) {
        self.0.set(u64::MAX);
    }
}

impl<R: Read> Bounded<R> {
    /// Counts what is read of `inner` in `read`.
    pub fn new(inner: R, read: Arc<AtomicU64>) -> (Self, Budget) {
        let left = Budget(Rc::new(Cell::new(LONGEST_ROW)));
        left.begin_row();
        (Self { inner, left: left.clone(), read }, left)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.0.get();
        if left == 0 {
            return Err(io::Error::other(format!("a row is longer than {} KiB", LONGEST_ROW / 1024)));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        self.left.0.set(left - count as u64);
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A line of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Its bytes are in the buffer, without the line break.
    Whole,
    /// It was longer than a row may be, and is passed over.
    TooLong,
    /// There is none left.
    End,
}

/// Reads the next line into `line`.
pub fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let (mut is_too_long, mut any) = (false, false);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        any = true;
        let end = memchr(chunk);
        let taken = &chunk[..end.unwrap_or(chunk.len())];
        if line.len() + taken.len() > usize::try_from(LONGEST_ROW).unwrap_or(usize::MAX) {
            is_too_long = true;
            line.clear();
        } else if !is_too_long {
            line.extend_from_slice(taken);
        }
        let used = end.map_or(chunk.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(match (any, is_too_long) {
        (false, _) => Line::End,
        (true, true) => Line::TooLong,
        (true, false) => Line::Whole,
    })
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<(Line, Vec<u8>)> {
        let mut reader = io::BufReader::with_capacity(CHUNK, text);
        let mut all = Vec::new();
        loop {
            let mut line = Vec::new();
            match read_line(&mut reader, &mut line).unwrap() {
                Line::End => return all,
                found => all.push((found, line)),
            }
        }
    }

    #[test]
    fn lines_end_as_they_may_and_long_ones_are_passed_over() {
        let long = [b"x".repeat(1 << 20), b"\nnext\r\n\nlast".to_vec()].concat();
        let found = lines(&long);
        assert_eq!(found[0], (Line::TooLong, Vec::new()));
        assert_eq!(
            found[1..].iter().map(|(_, line)| line.as_slice()).collect::<Vec<_>>(),
            [&b"next"[..], b"", b"last"]
        );
        assert!(lines(b"").is_empty());
        let exact = b"x".repeat(usize::try_from(LONGEST_ROW).unwrap());
        assert_eq!(lines(&exact)[0].0, Line::Whole);
        assert_eq!(lines(&[exact, b"x".to_vec()].concat())[0].0, Line::TooLong);
    }

    #[test]
    fn a_row_without_an_end_is_not_read_to_its_end() {
        let read = Arc::new(AtomicU64::new(0));
        let (mut bounded, budget) = Bounded::new(io::repeat(b'x'), read.clone());
        assert!(io::copy(&mut bounded, &mut io::sink()).is_err());
        assert_eq!(read.load(Ordering::Relaxed), LONGEST_ROW + CHUNK as u64);
        budget.begin_row();
        assert!(bounded.read(&mut [0; 8]).is_ok());
    }
}
