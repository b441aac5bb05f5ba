//! Walking along an order, a window of rows after the other, and asking each row whether it is wanted.

use std::time::{Duration, Instant};

use kernel::{Timestamp, UserId};
use storage::{Connection, Result};

use super::few::{Few, Found};
use super::sort::{Key, Order, Place, Stretch};
use super::statement::{Statement, Value};
use super::{Count, Filter, Sort};
use crate::Account;
use crate::account::{COLUMNS, Row};

/// How many rows the first window of a page has: enough where many are wanted.
const FIRST_WINDOW: u32 = 256;
/// How many rows the others have: so few that one does not take long by itself.
const WINDOW: u32 = 1_024;
/// How many windows one page may look at.
const MOST_WINDOWS: u32 = 11;
/// How long a page that has somebody goes on. The first two windows are looked at in any case.
const TIME: Duration = Duration::from_millis(6);
/// How long an empty page goes on: it tells people less than any other.
const TIME_WHEN_EMPTY: Duration = Duration::from_millis(12);
/// How many rows are looked at with one statement where there is time.
const LONG_WINDOW: u32 = 20_000;
/// How many windows of that length a count looks at.
const COUNTED_WINDOWS: u32 = 3;

/// Somewhere on the way along an order.
pub(super) struct Walk<'f> {
    filter: &'f Filter,
    order: Order,
    /// The row that it stands behind.
    place: Option<Place>,
    /// Where it is; nothing at the end.
    stretch: Option<Stretch>,
}

/// A row of a page.
#[derive(sqlx::FromRow)]
struct Hit {
    #[sqlx(flatten)]
    account: Row,
    name_folded: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Milestone {
    moment: Option<Timestamp>,
    words: Option<String>,
    id: UserId,
}

#[derive(sqlx::FromRow)]
struct Id {
    id: UserId,
}

impl From<Milestone> for Place {
    fn from(Milestone { moment, words, id }: Milestone) -> Self {
        let key = match (moment, words) {
            (Some(moment), _) => Key::Time(moment),
            (None, Some(words)) => Key::Text(words),
            (None, None) => Key::Nothing,
        };
        Self { key, id }
    }
}

impl Hit {
    /// Its place in this order.
    fn place(&self, order: Order) -> Place {
        let key = match order {
            Order::By(Sort::CreatedAt | Sort::CreatedAtDescending) => Key::Time(self.account.created_at),
            Order::By(Sort::Email) => Key::Text(self.account.email_canonical.clone()),
            Order::By(Sort::Name) => self.name_folded.clone().map_or(Key::Nothing, Key::Text),
            Order::By(Sort::LastLoginAt) => self.account.last_login_at.map_or(Key::Nothing, Key::Time),
            Order::Id => Key::Nothing,
        };
        Place { key, id: self.account.id }
    }
}

impl<'f> Walk<'f> {
    /// Behind this place, or from the beginning.
    pub(super) fn new(filter: &'f Filter, order: Order, place: Option<Place>) -> Self {
        let stretch = Some(order.stretch_of(place.as_ref()));
        Self { filter, order, place, stretch }
    }

    /// Where it stands; nothing when there is nothing to come.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref().filter(|_| self.stretch.is_some())
    }

    /// The next accounts, at most `limit`: fewer at the end, and when enough rows have been looked at.
    pub(super) async fn page(&mut self, on: &mut impl Connection, limit: u32) -> Result<Vec<Account>> {
        let begun = Instant::now();
        let mut hits: Vec<Hit> = Vec::new();
        if self.stretch.is_some()
            && let Some(few) = Few::find_at_once(on, self.filter).await?
        {
            return self.page_of_few(on, few, hits, limit).await;
        }
        for number in 0..MOST_WINDOWS {
            let window = if number == 0 { FIRST_WINDOW } else { WINDOW };
            let time = if hits.is_empty() { TIME_WHEN_EMPTY } else { TIME };
            if number > 1 && begun.elapsed() >= time {
                break;
            }
            // Where many are wanted the first window had them. Otherwise all of them may be few.
            if number == 1
                && self.stretch.is_some()
                && let Some(few) = Few::find_slowly(on, self.filter).await?
            {
                return self.page_of_few(on, few, hits, limit).await;
            }
            // A window that reaches the end of a stretch is followed by one in the next.
            while let Some(stretch) = self.stretch {
                let end = self.window_end(on, stretch, window).await?;
                let columns = Statement::new("SELECT").and(COLUMNS).and(", name_folded");
                let statement = self.window(stretch, end.as_ref(), columns);
                // One more than wanted says whether there is more.
                let statement = statement.and(stretch.clause()).and("LIMIT").value(missing(limit, hits.len(), 1));
                hits.extend(statement.fetch::<Hit>(on).await?);
                if hits.len() > limit as usize {
                    return Ok(self.stop_at(hits, limit));
                }
                if self.pass(stretch, end) {
                    break;
                }
            }
        }
        Ok(hits.into_iter().map(|hit| Account::from(hit.account)).collect())
    }

    /// The rest of a page, from a few accounts among which all that are wanted are.
    async fn page_of_few(
        &mut self,
        on: &mut impl Connection,
        few: Few,
        mut hits: Vec<Hit>,
        limit: u32,
    ) -> Result<Vec<Account>> {
        // Who is on the page is found first: what is shown of somebody is more work than to compare them.
        let statement = few.select(&[COLUMNS, ", name_folded FROM users WHERE id IN (SELECT users.id"], self.filter);
        let statement = self.behind_anywhere(statement).and(self.order.clause());
        let statement = statement.and("LIMIT").value(missing(limit, hits.len(), 1)).and(")").and(self.order.clause());
        hits.extend(statement.fetch::<Hit>(on).await?);
        if hits.len() > limit as usize {
            return Ok(self.stop_at(hits, limit));
        }
        self.stretch = None;
        Ok(hits.into_iter().map(|hit| Account::from(hit.account)).collect())
    }

    /// Cuts a page off, and stands behind its last row.
    fn stop_at(&mut self, mut hits: Vec<Hit>, limit: u32) -> Vec<Account> {
        hits.truncate(limit as usize);
        self.place = hits.last().map(|hit| hit.place(self.order));
        self.stretch = Some(self.order.stretch_of(self.place.as_ref()));
        hits.into_iter().map(|hit| Account::from(hit.account)).collect()
    }

    /// The next ids, as many as wanted unless they are the last.
    pub(super) async fn ids(mut self, on: &mut impl Connection, limit: u32) -> Result<Vec<UserId>> {
        if let Some(few) = Few::find(on, self.filter).await? {
            let statement = self.behind_anywhere(few.select(&["id"], self.filter)).and(self.order.clause());
            let found = statement.and("LIMIT").value(missing(limit, 0, 0)).fetch::<Id>(on).await?;
            return Ok(found.into_iter().map(|row| row.id).collect());
        }
        let mut ids = Vec::new();
        while let Some(stretch) = self.stretch {
            let end = self.window_end(on, stretch, LONG_WINDOW).await?;
            let statement = self.window(stretch, end.as_ref(), Statement::new("SELECT").and("id"));
            let statement = statement.and(stretch.clause()).and("LIMIT").value(missing(limit, ids.len(), 0));
            ids.extend(statement.fetch::<Id>(on).await?.into_iter().map(|row| row.id));
            if ids.len() >= limit as usize {
                break;
            }
            self.pass(stretch, end);
        }
        Ok(ids)
    }

    /// How many are to come, up to `most`.
    pub(super) async fn count(mut self, on: &mut impl Connection, most: u32) -> Result<Count> {
        if let Some(few) = Few::find(on, self.filter).await? {
            let statement = few.select(&["COUNT(*) AS found"], self.filter).and("LIMIT 1");
            let found = statement.fetch::<Found>(on).await?.first().map_or(0, |row| row.found);
            let found = u32::try_from(found).unwrap_or(0);
            return Ok(if found > most { Count::AtLeast(most) } else { Count::Exactly(found) });
        }
        let mut counted = 0;
        for _ in 0..COUNTED_WINDOWS {
            let Some(stretch) = self.stretch else { return Ok(Count::Exactly(counted)) };
            let end = self.window_end(on, stretch, LONG_WINDOW).await?;
            let statement = self.window(
                stretch,
                end.as_ref(),
                Statement::new("SELECT").and("COUNT(*) AS found FROM (SELECT 1 AS one"),
            );
            let statement = statement.and("LIMIT").value(Value::Number(i64::from(most - counted) + 1)).and(") AS few");
            let found = statement.fetch::<Found>(on).await?.first().map_or(0, |row| row.found);
            counted += u32::try_from(found).unwrap_or(0);
            if counted > most {
                return Ok(Count::AtLeast(most));
            }
            self.pass(stretch, end);
        }
        Ok(if self.stretch.is_none() { Count::Exactly(counted) } else { Count::AtLeast(counted) })
    }

    /// The place of the last row of the next window; nothing if the stretch ends before.
    async fn window_end(&self, on: &mut impl Connection, stretch: Stretch, rows: u32) -> Result<Option<Place>> {
        let statement = Statement::new("SELECT").and(stretch.place_columns()).and("FROM users WHERE true");
        let statement = self.behind(stretch, stretch.only(statement));
        let statement = self.filter.ground(self.order, self.has_begun(stretch), false, statement).and(stretch.clause());
        let statement = statement.and("LIMIT 1 OFFSET").value(Value::Number(i64::from(rows) - 1));
        Ok(statement.fetch::<Milestone>(on).await?.pop().map(Place::from))
    }

    /// The rows of a window that are wanted.
    fn window(&self, stretch: Stretch, end: Option<&Place>, selected: Statement) -> Statement {
        let statement = self.behind(stretch, stretch.only(selected.and("FROM users WHERE true")));
        let statement = match end {
            Some(end) => stretch.up_to(end, statement),
            None => statement,
        };
        let statement = self.filter.ground(self.order, self.has_begun(stretch), end.is_some(), statement);
        self.filter.conditions(statement)
    }

    /// The rows behind where it stands, in whatever stretch.
    fn behind_anywhere(&self, statement: Statement) -> Statement {
        match &self.place {
            Some(place) => self.order.behind(place, statement),
            None => statement,
        }
    }

    /// The rows behind where it stands, unless a stretch is only beginning.
    fn behind(&self, stretch: Stretch, statement: Statement) -> Statement {
        match &self.place {
            Some(place) if self.has_begun(stretch) => stretch.behind(place, statement),
            _ => statement,
        }
    }

    /// Whether it stands somewhere in this stretch.
    fn has_begun(&self, stretch: Stretch) -> bool {
        self.place.as_ref().is_some_and(|place| self.order.stretch_of(Some(place)) == stretch)
    }

    /// Goes to the end of a window. Whether there is still something of the same stretch.
    fn pass(&mut self, stretch: Stretch, end: Option<Place>) -> bool {
        if end.is_none() {
            // Whoever never signed in did not do so after any moment.
            let over = self.order == Order::By(Sort::LastLoginAt) && self.filter.last_login_after.is_some();
            self.stretch = if over { None } else { stretch.next() };
            return false;
        }
        self.place = end;
        true
    }
}

/// How many more are wanted, and so many beside them.
fn missing(limit: u32, found: usize, beside: i64) -> Value {
    Value::Number(i64::from(limit) - i64::try_from(found).unwrap_or(i64::MAX) + beside)
}
