//! Rows in JSON: a line each, or the elements of an array in a document of any size.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read};

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::input::{Bounded, Budget, CHUNK, Line, read_line};
use super::{Stop, plain};

/// What is called with each row: its line or number, and its text or why there is none.
pub type Each<'e> = dyn FnMut(u64, Result<&str, String>) -> Result<(), Stop> + 'e;

/// Reads one row a line. Empty lines are passed over.
pub fn lines(input: Bounded<impl Read>, budget: &Budget, each: &mut Each<'_>) -> Result<(), Stop> {
    // A line is bounded where it is read, so that those behind it can be read too.
    budget.pass_over();
    let mut reader = BufReader::with_capacity(CHUNK, input);
    let mut line = Vec::new();
    for number in 1.. {
        match read_line(&mut reader, &mut line)? {
            Line::End => break,
            Line::TooLong => each(number, Err("The row is longer than 256 KiB.".to_owned()))?,
            Line::Whole => {
                let text = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
                match std::str::from_utf8(text) {
                    Ok(text) if text.trim().is_empty() => {}
                    Ok(text) => each(number, Ok(text))?,
                    Err(_) => each(number, Err("The row is not UTF-8.".to_owned()))?,
                }
            }
        }
    }
    Ok(())
}

/// Reads the elements of the array that a document is, or that it has under `key`.
pub fn elements(input: Bounded<impl Read>, budget: &Budget, key: &str, each: &mut Each<'_>) -> Result<(), Stop> {
    let mut reader = BufReader::with_capacity(CHUNK, input);
    let start = reader.fill_buf()?;
    if start.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    let mut stopped = None;
    let mut found = false;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let document = Document { key, budget, each, stopped: &mut stopped, found: &mut found };
    let read = document.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (stopped, read) {
        (Some(stop), _) => Err(stop),
        (None, Err(error)) => Err(Stop::Broken(format!(
            "the file cannot be read behind line {}, column {}: {}",
            error.line(),
            error.column(),
            broken(&error)
        ))),
        (None, Ok(())) if !found => Err(Stop::Broken(format!("the file has no list called `{key}`"))),
        (None, Ok(())) => Ok(()),
    }
}

fn broken(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early".to_owned(),
        serde_json::error::Category::Io => error.to_string(),
        serde_json::error::Category::Syntax => "it is not JSON there".to_owned(),
        serde_json::error::Category::Data => "it has something else there than was expected".to_owned(),
    }
}

struct Document<'d, 'e> {
    key: &'d str,
    budget: &'d Budget,
    each: &'d mut Each<'e>,
    stopped: &'d mut Option<Stop>,
    found: &'d mut bool,
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list, or an object with the list `{}`", self.key)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        *self.found = true;
        for number in 1.. {
            self.budget.begin_row();
            let Some(element) = list.next_element::<Box<RawValue>>()? else { break };
            if let Err(stop) = (self.each)(number, Ok(element.get())) {
                *self.stopped = Some(stop);
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { key, budget, each, stopped, found } = self;
        loop {
            budget.begin_row();
            let Some(name) = map.next_key::<String>()? else { return Ok(()) };
            if name == key && !*found {
                let list = List(Document { key, budget, each: &mut *each, stopped: &mut *stopped, found: &mut *found });
                map.next_value_seed(list)?;
            } else {
                budget.pass_over();
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
}

/// The list itself: an object would be taken for a document once more.
struct List<'d, 'e>(Document<'d, 'e>);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self.0)
    }
}

/// Reads one row. What is wrong is said without what the row says: it may be a hash.
pub fn row<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.inner().to_string();
        // These name a field, and nothing that stands in one.
        let about_a_field = ["unknown field", "missing field", "duplicate field"];
        if let Some(said) = about_a_field.iter().find(|said| cause.starts_with(**said)) {
            let field = cause.split('`').nth(1).unwrap_or_default();
            return format!("{}: {said}", plain(field));
        }
        match error.inner().classify() {
            serde_json::error::Category::Data => format!("{}: It is of another type there.", plain(&path)),
            _ => format!("The row is not JSON from column {} on.", error.inner().column()),
        }
    })?;
    deserializer.end().map_err(|_| "There is something behind the row.".to_owned())?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn read(document: &[u8]) -> (Vec<String>, Result<(), Stop>) {
        let (input, budget) = Bounded::new(document, Arc::new(AtomicU64::new(0)));
        let mut rows = Vec::new();
        let end = elements(input, &budget, "users", &mut |_, text| {
            rows.push(text.unwrap_or_default().to_owned());
            Ok(())
        });
        (rows, end)
    }

    #[test]
    fn elements_are_found_in_a_list_and_in_an_object() {
        for document in
            [r#"[{"a":1}, 2]"#, r#"{"realm":{"users":[3]},"users":[{"a":1},2],"more":[[]]}"#, "\u{feff}[{\"a\":1},2]"]
        {
            let (rows, end) = read(document.as_bytes());
            assert_eq!(rows, [r#"{"a":1}"#, "2"], "{document}");
            assert!(end.is_ok());
        }
    }

    #[test]
    fn what_is_cut_off_or_no_list_or_endless_is_refused_and_rows_before_it_are_read() {
        let (rows, end) = read(br#"{"users":[{"a":1},{"a":"#);
        assert_eq!(rows.len(), 1);
        assert!(end.unwrap_err().to_string().contains("ends too early"));
        for document in [
            r#"{"members":[]}"#.to_owned(),
            r#"{"users":{}}"#.to_owned(),
            "7".to_owned(),
            String::new(),
            "[1] [2]".to_owned(),
            format!("[{}", "[".repeat(100_000)),
            format!(r#"{{"users":["{}"]}}"#, "x".repeat(1 << 20)),
            format!(r#"{{"{}":1,"users":[]}}"#, "x".repeat(1 << 20)),
        ] {
            assert!(read(document.as_bytes()).1.is_err(), "{}", &document[..document.len().min(40)]);
        }
        // What is passed over may be as long as it likes.
        let (rows, end) = read(format!(r#"{{"clients":["{}"],"users":[1]}}"#, "x".repeat(1 << 20)).as_bytes());
        assert!(end.is_ok() && rows.len() == 1);
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said_without_the_row() {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Row {
            #[serde(rename = "hash")]
            _hash: u8,
        }
        let wrong = |text: &str| row::<Row>(text).err().unwrap();
        assert_eq!(wrong(r#"{"hash":"$2b$10$secret"}"#), "hash: It is of another type there.");
        assert_eq!(wrong(r#"{"hash":1,"hash":2}"#), "hash: duplicate field");
        assert_eq!(wrong("{\"\u{202e}x\":1}"), "\\u{202e}x: unknown field");
        assert_eq!(wrong(r#"{"hash":1"#), "The row is not JSON from column 9 on.");
        assert!(wrong("{\"hash\":\0 1}").contains("not JSON"));
        assert!(!wrong(r#"{"hash":1} $2b$10$secret"#).contains("secret"));
    }
}
