//! The log on standard error: for people, or as JSON with the field names of the Elastic Common
//! Schema. Each line of a request carries its id, so that a reference on an error page finds it.

use std::fmt::{self, Write as _};

use gateway::LogFormat;
use kernel::Clock;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging. Panics are logged too, without their messages: those could quote anything.
pub fn start(format: LogFormat, filter: EnvFilter) {
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start can only be a test's: the first one stays.
    let _ = logs.event_format(Line { format, clock: Clock::system() }).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a thread panicked");
    }));
}

struct Line {
    format: LogFormat,
    clock: Clock,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(id) = gateway::current_request_id() {
            fields.others.entry("request_id").or_insert(Value::String(id));
        }
        let (level, target) = (event.metadata().level(), event.metadata().target());
        match self.format {
            LogFormat::Human => {
                write!(writer, "{}  {level:5} {}", self.clock.now(), fields.message.escape_debug())?;
                for (name, value) in &fields.others {
                    write!(writer, "  {name}={}", one_line(value))?;
                }
                writeln!(writer)
            }
            LogFormat::Json => {
                let mut line = Map::new();
                line.insert("@timestamp".into(), Value::String(self.clock.now().to_string()));
                line.insert("log.level".into(), Value::String(level.as_str().to_lowercase()));
                line.insert("message".into(), Value::String(fields.message));
                line.insert("log.logger".into(), Value::String(target.to_owned()));
                for (name, value) in fields.others {
                    line.insert(ecs_name(name).into_owned(), value);
                }
                line.insert("ecs.version".into(), Value::String("8.11".into()));
                writeln!(writer, "{}", one_line(&Value::Object(line)))
            }
        }
    }
}

/// What the Elastic Common Schema calls a field; ours that it does not know are under `usher`.
fn ecs_name(name: &'static str) -> std::borrow::Cow<'static, str> {
    match name {
        "error" | "cause" => "error.message".into(),
        "request_id" => "http.request.id".into(),
        other => format!("usher.{other}").into(),
    }
}

/// The longest value that is logged, in bytes as it is written.
const LONGEST: usize = 8_000;

/// JSON in which nothing breaks or turns a line, for whoever reads it in a terminal or cuts it at what Unicode
/// calls the end of a line: JSON itself only escapes what is below the space.
fn one_line(value: &Value) -> String {
    let plain = value.to_string();
    if !plain.chars().any(disturbs) {
        return plain;
    }
    plain.chars().fold(String::with_capacity(plain.len() + 64), |mut text, c| {
        if disturbs(c) {
            // A String takes whatever is written to it.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
        text
    })
}

/// Ends of lines, the control characters that JSON leaves, and what turns the direction of writing.
fn disturbs(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How many bytes a character takes in a line.
fn written(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if disturbs(c) => 6,
        c => c.len_utf8(),
    }
}

/// As much of a text as is logged.
fn cut(text: &str) -> String {
    let mut room = LONGEST;
    let fits = |c: &char| match room.checked_sub(written(*c)) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    text.chars().take_while(fits).collect()
}

#[derive(Default)]
struct Fields {
    message: String,
    others: std::collections::BTreeMap<&'static str, Value>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name(), value);
    }

    fn add_text(&mut self, field: &Field, text: &str) {
        let text = cut(text);
        if field.name() == "message" {
            self.message = text;
        } else {
            self.add(field, Value::String(text));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add_text(field, &format!("{value:?}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat) -> String {
        logged_with(format, "line one\r\n\u{1b}[31mline two\u{2028}")
    }

    fn logged_with(format: LogFormat, cause: &str) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let clock = Clock::fixed(kernel::Timestamp::from_unix_seconds(0));
        let logs = tracing_subscriber::fmt().with_writer(move || writer.clone()).event_format(Line { format, clock });
        tracing::subscriber::with_default(logs.finish(), || {
            tracing::warn!(cause, count = 3, "it \"failed\"");
        });
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn i9_a_json_line_is_one_line_in_ecs_names() {
        let text = logged(LogFormat::Json);
        assert_eq!(text.lines().count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["log.level"], "warn");
        assert_eq!(line["message"], "it \"failed\"");
        assert_eq!(line["error.message"], "line one\r\n\u{1b}[31mline two\u{2028}");
        assert_eq!(line["usher.count"], 3);
        assert_eq!(line["@timestamp"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn i9_nothing_that_ends_or_turns_a_line_stands_in_one_and_a_field_is_8_kib_at_most() {
        let disturbing = "\r\n\u{1b}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2066}\0\u{7f}";
        for format in [LogFormat::Json, LogFormat::Human] {
            for long in [disturbing.to_owned(), disturbing.repeat(50_000), "😀\"".repeat(200_000)] {
                let text = logged_with(format, &long);
                let (line, end) = text.split_at(text.len() - 1);
                assert_eq!(end, "\n");
                assert!(!line.chars().any(disturbs), "{line:.200}");
                assert!(line.len() < 2 * 8_192 + 500, "{}", line.len());
                if format == LogFormat::Json {
                    let line: Value = serde_json::from_str(line).unwrap();
                    let field = line["error.message"].as_str().unwrap();
                    assert!(long.starts_with(field) && !field.is_empty());
                    assert!(one_line(&line["error.message"]).len() <= 8_192);
                }
            }
        }
    }

    #[test]
    fn i9_a_human_line_is_one_line_without_escapes() {
        let text = logged(LogFormat::Human);
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\u{1b}'));
    }
}
