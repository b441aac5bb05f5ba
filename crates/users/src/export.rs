//! Accounts in a file: comma-separated values (RFC 4180) or a JSON object a line. There is no hash, no key and
//! nothing else in it by which anybody could prove to be somebody.

use std::borrow::Cow;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Account, Party, PersonalDataError, Users};

/// The form of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-separated values, with a line of names first. Cells that a spreadsheet would take for a formula
    /// have an apostrophe before them.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

/// Not a form that accounts can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use csv or jsonl")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::Jsonl),
            _ => Err(UnknownFormat),
        }
    }
}

impl Format {
    /// The name of a file in this form ends in it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/jsonl",
        }
    }
}

/// What a file says of an account, in this order: the API's fields, and nothing that is not one of them.
pub const COLUMNS: [&str; 17] = [
    "id",
    "email",
    "email_verified",
    "name",
    "status",
    "roles",
    "avatar_url",
    "bio",
    "timezone",
    "locale",
    "phone_number",
    "address",
    "preferences",
    "attributes",
    "created_at",
    "updated_at",
    "last_login_at",
];

/// One account, as a file says it.
pub struct Line(serde_json::Map<String, serde_json::Value>);

impl Line {
    /// What is to be written of these accounts, in the same order.
    pub async fn read(users: &Users, accounts: &[Account]) -> Result<Vec<Self>, PersonalDataError> {
        let views = users.views(accounts, Party::Officers).await?;
        let line = |view| {
            let all = serde_json::to_value(view).unwrap_or_default();
            let field = |column: &str| (column.to_owned(), all.get(column).cloned().unwrap_or_default());
            Self(COLUMNS.into_iter().map(field).collect())
        };
        Ok(views.into_iter().map(line).collect())
    }

    /// Its cells, in the order of [`COLUMNS`].
    fn cells(&self) -> impl Iterator<Item = String> {
        COLUMNS.iter().map(|column| self.0.get(*column).map(cell).unwrap_or_default())
    }
}

/// A value as a cell: lists with a comma between, other structure as JSON.
fn cell(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Null => String::new(),
        Value::String(text) => defused(text).into_owned(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let joined = items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
            defused(&joined).into_owned()
        }
        other => other.to_string(),
    }
}

/// Whether a spreadsheet would take this cell for a formula.
pub fn is_formula(cell: &str) -> bool {
    // The full-width forms of the first four count as them in some languages' spreadsheets.
    cell.starts_with(['=', '+', '-', '@', '\t', '\0', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
}

/// Whether this would be a formula but for the apostrophes before it.
fn is_quoted_formula(cell: &str) -> bool {
    cell.strip_prefix('\'').is_some_and(|rest| is_formula(rest.trim_start_matches('\'')))
}

/// A cell that no spreadsheet takes for a formula. One that begins with an apostrophe and would be a formula
/// without it gets one more, so that [`armed`] takes off exactly what was put on.
pub fn defused(text: &str) -> Cow<'_, str> {
    if is_formula(text) || is_quoted_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// What a cell was before it was [`defused`].
pub fn armed(cell: &str) -> &str {
    if is_quoted_formula(cell) { &cell[1..] } else { cell }
}

/// These accounts as a piece of a file, with the line of names before them if it is the first.
pub fn text(format: Format, is_first: bool, lines: &[Line]) -> Vec<u8> {
    match format {
        Format::Csv => {
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
            // Writing to memory does not fail, and every line has as many cells as the first.
            if is_first {
                let _ = writer.write_record(COLUMNS);
            }
            for line in lines {
                let _ = writer.write_record(line.cells());
            }
            writer.into_inner().unwrap_or_default()
        }
        Format::Jsonl => lines.iter().fold(Vec::new(), |mut text, line| {
            text.extend(serde_json::to_vec(&line.0).unwrap_or_default());
            text.push(b'\n');
            text
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(name: &str) -> Line {
        let serde_json::Value::Object(mut map) = json!({"name": name, "roles": ["support", "user"]}) else { panic!() };
        map.insert("preferences".into(), json!({"a": [1]}));
        Line(map)
    }

    #[test]
    fn i8_cells_are_defused_and_quoted() {
        for (typed, written) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\n=1", "'\n=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("\u{ff0b}1", "'\u{ff0b}1"),
            ("\u{ff0d}1", "'\u{ff0d}1"),
            ("\u{ff20}SUM(A1)", "'\u{ff20}SUM(A1)"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("'=1", "''=1"),
            ("Ann", "Ann"),
            ("a=b", "a=b"),
            ("O'Neil", "O'Neil"),
            (" =1", " =1"),
            ("'quoted'", "'quoted'"),
            ("", ""),
        ] {
            assert_eq!(defused(typed), written);
            assert_eq!(armed(written), typed);
        }
        assert_eq!((defused("\0x"), defused("\rx")), ("'\0x".into(), "'\rx".into()));
        let text = String::from_utf8(text(Format::Csv, true, &[line("=HYPERLINK(\"x\"),\r\ny")])).unwrap();
        let (head, row) = text.split_once("\r\n").unwrap();
        assert_eq!(head, COLUMNS.join(","));
        assert_eq!(row, ",,,\"'=HYPERLINK(\"\"x\"\"),\r\ny\",,\"support,user\",,,,,,,\"{\"\"a\"\":[1]}\",,,,\r\n");
    }

    #[test]
    fn lines_of_json_are_as_they_are() {
        let text = String::from_utf8(text(Format::Jsonl, true, &[line("=1"), line("b")])).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(serde_json::from_str::<serde_json::Value>(lines[0]).unwrap()["name"], "=1");
    }
}
