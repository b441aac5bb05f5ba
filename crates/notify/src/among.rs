//! Asking about many ids in one statement.

/// `fetch_among!(on, Row, " … WHERE id", ids, " ORDER BY …")`: the rows whose last named column is one of these ids, as a
/// `FromRow` type. There are as many placeholders as ids, so the statement is put together here and not kept; the text is
/// without its `SELECT`.
macro_rules! fetch_among {
    ($on:expr, $row:ty, $select:expr, $ids:expr, $after:expr) => {{
        macro_rules! on {
            ($database:ty, $connection:expr) => {{
                let mut query = sqlx::QueryBuilder::<$database>::new("SELECT");
                query.push($select).push(" IN (");
                let mut list = query.separated(", ");
                for id in $ids {
                    list.push_bind(*id);
                }
                query.push(")").push($after);
                let asked = query.build_query_as::<$row>().persistent(false).fetch_all($connection);
                asked.await.map_err(storage::Error::from)
            }};
        }
        match storage::Connection::conn($on) {
            storage::Conn::Sqlite(connection) => on!(sqlx::Sqlite, &mut *connection),
            storage::Conn::Postgres(connection) => on!(sqlx::Postgres, &mut *connection),
        }
    }};
}

pub(crate) use fetch_among;
