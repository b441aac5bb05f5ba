//! Server-sent events, from bytes in any portions (WHATWG HTML §9.2.6).

/// A longer event, or a longer line, is not read: it would be somebody else's memory.
const LONGEST_EVENT: usize = 1024 * 1024;

/// Everything between two empty lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Empty if there is none.
    pub(crate) kind: Vec<u8>,
    /// Its lines, with newlines between.
    pub(crate) data: Vec<u8>,
    pub(crate) has_data: bool,
    /// The last id in it that is one of ours: a number of digits alone.
    pub(crate) id: Option<i64>,
}

/// What was being read when an event grew too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Takes bytes and gives events.
#[derive(Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
    event: Event,
    /// The next newline belongs to the carriage return before it.
    skip_newline: bool,
    is_begun: bool,
}

impl Lines {
    /// Reads one portion and hands each event that is complete to `each`, until that fails.
    pub(crate) fn read<E: From<TooLong>>(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(Event) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(first) = bytes.first() {
            if std::mem::take(&mut self.skip_newline) && *first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + self.event.data.len() + part.len() > LONGEST_EVENT {
                return Err(TooLong.into());
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { return Ok(()) };
            // A carriage return ends the line at once: waiting for what follows it would keep the
            // event back until the next one.
            self.skip_newline = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if let Some(event) = self.end_line() {
                each(event)?;
            }
        }
        Ok(())
    }

    /// Takes the line that is complete, and gives the event if the line was empty.
    fn end_line(&mut self) -> Option<Event> {
        let mut line = std::mem::take(&mut self.line);
        let text = if std::mem::replace(&mut self.is_begun, true) {
            line.as_slice()
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line)
        };
        if text.is_empty() {
            return Some(std::mem::take(&mut self.event));
        }
        self.event.add(text);
        // The room for a line is used again, but not that of an exceptionally long one for ever.
        line.clear();
        line.shrink_to(4096);
        self.line = line;
        None
    }
}

impl Event {
    fn add(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = colon.map_or((line, &[][..]), |colon| (&line[..colon], &line[colon + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => value.clone_into(&mut self.kind),
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"id" => self.id = number(value).or(self.id),
            // Comments, `retry` (how long to wait is our own business), and what is not known yet.
            _ => {}
        }
    }
}

/// A ledger number. Signs, spaces and fractions make it none.
fn number(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
