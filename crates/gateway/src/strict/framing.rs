//! Where messages begin and end in a stream of HTTP/1.1 requests, RFC 9112, read strictly.

use memchr::memchr;

/// How HTTP/2 begins, RFC 9113 §3.4.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A line that is longer is refused here; the server refuses heads that are longer.
const MAX_LINE: usize = 32 * 1024;
/// Digits of a chunk's size: more than any body may have.
const MAX_CHUNK_DIGITS: u8 = 15;

/// What is to be done with bytes that were followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// All may pass.
    Pass,
    /// All may pass, and so may everything after it: it is HTTP/2.
    PassOpaque,
    /// So many may pass. The rest waits for the answer to a request that wishes for another protocol.
    HoldAfter(usize),
    /// So many may pass, and nothing after them.
    RefuseAfter(usize),
}

/// Something that is not as it has to be, at this byte.
struct Violation;

/// Where in the stream we are.
#[derive(Default)]
pub(super) struct Framing {
    state: State,
    /// The beginning of a line that was not complete when its bytes came.
    line: Vec<u8>,
    head: Head,
}

#[derive(Clone, Copy, Default)]
enum State {
    /// At the very beginning: so many bytes are those that HTTP/2 begins with.
    Preface(usize),
    /// Before a request, where empty lines are allowed.
    #[default]
    Start,
    Headers,
    Body(u64),
    ChunkSize {
        digits: u8,
        size: u64,
    },
    ChunkSizeEnd(u64),
    Chunk(u64),
    ChunkEnd {
        after_cr: bool,
    },
    Trailers,
    /// The message is over, and it wished for another protocol.
    Hold,
}

/// What a head has said so far about its message.
#[derive(Clone, Copy, Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self { state: State::Preface(0), ..Self::default() }
    }

    /// Follows the next bytes.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Step {
        let mut rest = bytes;
        while !rest.is_empty() {
            let before = rest;
            if matches!(self.state, State::Hold) {
                self.state = State::Start;
                return Step::HoldAfter(bytes.len() - before.len());
            }
            match self.advance(&mut rest) {
                Ok(false) => {}
                Ok(true) => return Step::PassOpaque,
                Err(Violation) => return Step::RefuseAfter(bytes.len() - rest.len()),
            }
        }
        if matches!(self.state, State::Hold) {
            self.state = State::Start;
            return Step::HoldAfter(bytes.len());
        }
        Step::Pass
    }

    /// Takes from `rest` what belongs to one step, up to the byte that is wrong. Whether HTTP/2 begins.
    fn advance(&mut self, rest: &mut &[u8]) -> Result<bool, Violation> {
        match self.state {
            State::Preface(matched) => return self.preface(rest, matched),
            State::Start | State::Headers | State::Trailers => self.line(rest)?,
            State::Body(left) => match skip(rest, left) {
                0 => self.end_of_message(),
                left => self.state = State::Body(left),
            },
            State::Chunk(left) => match skip(rest, left) {
                0 => self.state = State::ChunkEnd { after_cr: false },
                left => self.state = State::Chunk(left),
            },
            State::ChunkSize { digits, size } => match (rest[0], hex(rest[0])) {
                (_, Some(digit)) if digits < MAX_CHUNK_DIGITS => {
                    self.state = State::ChunkSize { digits: digits + 1, size: size << 4 | u64::from(digit) };
                    *rest = &rest[1..];
                }
                (b'\r', _) if digits > 0 => {
                    self.state = State::ChunkSizeEnd(size);
                    *rest = &rest[1..];
                }
                _ => return Err(Violation),
            },
            State::ChunkSizeEnd(size) => {
                take(rest, b'\n')?;
                self.state = if size == 0 { State::Trailers } else { State::Chunk(size) };
            }
            State::ChunkEnd { after_cr: false } => {
                take(rest, b'\r')?;
                self.state = State::ChunkEnd { after_cr: true };
            }
            State::ChunkEnd { after_cr: true } => {
                take(rest, b'\n')?;
                self.state = State::ChunkSize { digits: 0, size: 0 };
            }
            State::Hold => {}
        }
        Ok(false)
    }

    fn preface(&mut self, rest: &mut &[u8], matched: usize) -> Result<bool, Violation> {
        let wanted = &PREFACE[matched..];
        let same = rest.iter().zip(wanted).take_while(|(given, wanted)| given == wanted).count();
        if same == wanted.len() {
            return Ok(true);
        }
        if same == rest.len() {
            self.state = State::Preface(matched + same);
            *rest = &[];
            return Ok(false);
        }
        // It is not HTTP/2. What was taken for its beginning begins a request.
        self.state = State::Start;
        let mut again = &PREFACE[..matched];
        while !again.is_empty() {
            self.advance(&mut again)?;
        }
        Ok(false)
    }

    /// Takes a line, or as much of it as there is.
    fn line(&mut self, rest: &mut &[u8]) -> Result<(), Violation> {
        let Some(end) = memchr(b'\n', rest) else {
            if self.line.len() + rest.len() > MAX_LINE {
                return Err(Violation);
            }
            self.line.extend_from_slice(rest);
            *rest = &[];
            return Ok(());
        };
        let (whole, after) = rest.split_at(end);
        // On a violation the LF must not pass: the line would count.
        *rest = &rest[end..];
        if self.line.is_empty() {
            self.whole_line(whole.strip_suffix(b"\r").ok_or(Violation)?)?;
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(whole);
            self.whole_line(line.strip_suffix(b"\r").ok_or(Violation)?)?;
        }
        *rest = &after[1..];
        Ok(())
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        match (self.state, line.is_empty()) {
            (State::Start, false) => {
                self.head = Head::default();
                self.state = State::Headers;
            }
            (State::Headers, false) => self.head.header(line)?,
            (State::Headers, true) => match self.head {
                Head { chunked: true, .. } => self.state = State::ChunkSize { digits: 0, size: 0 },
                Head { length: Some(length @ 1..), .. } => self.state = State::Body(length),
                Head { .. } => self.end_of_message(),
            },
            (State::Trailers, true) => self.end_of_message(),
            _ => {}
        }
        Ok(())
    }

    fn end_of_message(&mut self) {
        self.state = if self.head.upgrade { State::Hold } else { State::Start };
    }
}

impl Head {
    fn header(&mut self, line: &[u8]) -> Result<(), Violation> {
        // Most headers are none of the three, and their first letter says so.
        if !matches!(line[0] | 0x20, b'c' | b't' | b'u') {
            return Ok(());
        }
        if let Some(value) = value_of(line, b"content-length") {
            let digits = value.len() <= 18 && !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            if !digits || self.length.is_some() || self.chunked {
                return Err(Violation);
            }
            self.length = Some(value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')));
        } else if let Some(value) = value_of(line, b"transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") || self.length.is_some() || self.chunked {
                return Err(Violation);
            }
            self.chunked = true;
        } else if value_of(line, b"upgrade").is_some() {
            self.upgrade = true;
        }
        Ok(())
    }
}

/// The value of a header, if it is this one.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (given, rest) = line.split_at_checked(name.len())?;
    if !given.eq_ignore_ascii_case(name) {
        return None;
    }
    let value = rest.strip_prefix(b":")?;
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    Some(&value[start..end])
}

/// Takes at most `left` bytes; how many are left then.
fn skip(rest: &mut &[u8], left: u64) -> u64 {
    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
    *rest = &rest[here..];
    left - here as u64
}

fn take(rest: &mut &[u8], wanted: u8) -> Result<(), Violation> {
    match rest.split_first() {
        Some((&byte, after)) if byte == wanted => {
            *rest = after;
            Ok(())
        }
        _ => Err(Violation),
    }
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
