//! A statement that is put together: its text from fixed pieces alone, whatever somebody typed as an argument.

use kernel::{Timestamp, UserId};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use storage::{Conn, Connection, Error, Result};

/// An argument.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Maybe(Option<String>),
    Time(Timestamp),
    Id(UserId),
    Boolean(bool),
    Number(i64),
    Bytes(Vec<u8>),
}

/// The text so far, and its arguments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statement {
    text: String,
    values: Vec<Value>,
    planned_anew: bool,
}

macro_rules! fetch {
    ($self:expr, $connection:expr) => {{
        let mut query = sqlx::query_as(AssertSqlSafe($self.text));
        for value in $self.values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Maybe(text) => query.bind(text),
                Value::Time(moment) => query.bind(moment),
                Value::Id(id) => query.bind(id),
                Value::Boolean(boolean) => query.bind(boolean),
                Value::Number(number) => query.bind(number),
                Value::Bytes(bytes) => query.bind(bytes),
            };
        }
        query.persistent(!$self.planned_anew).fetch_all($connection).await.map_err(Error::from)
    }};
}

impl Statement {
    /// One that begins with these words.
    pub(crate) fn new(words: &'static str) -> Self {
        Self::default().and(words)
    }

    /// Adds words, set apart by a space. Only what stands in this program's source can be some.
    pub(crate) fn and(mut self, words: &'static str) -> Self {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(words);
        self
    }

    /// Adds an argument.
    pub(crate) fn value(mut self, value: Value) -> Self {
        self.values.push(value);
        self.text.push_str(" $");
        self.text.push_str(&self.values.len().to_string());
        self
    }

    /// Has the database plan it for these arguments, each time: how many rows a text finds differs too much.
    pub(crate) fn planned_anew(mut self) -> Self {
        self.planned_anew = true;
        self
    }

    /// All rows. A statement here always has a `LIMIT`.
    pub(crate) async fn fetch<T>(self, on: &mut impl Connection) -> Result<Vec<T>>
    where
        T: Send + Unpin + for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow>,
    {
        match on.conn() {
            Conn::Sqlite(connection) => fetch!(self, connection),
            Conn::Postgres(connection) => fetch!(self, connection),
        }
    }
}
