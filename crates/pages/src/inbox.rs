//! The inbox: what somebody was told, and what is new as it comes.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use kernel::id::NotificationId;
use kernel::{Page, PageQuery, Problem, RequestContext, Timestamp};
use notify::Category;
use notify::in_app::{self, KEPT_DAYS, ReadNotificationError, Shown, Wanted};
use users::{Account, TimeZoneName};

use crate::bar::{Bar, Here};
use crate::browser::Visitor;
use crate::entry::see_other;
use crate::form::{Fields, SignedInForm};
use crate::moment::Moment;
use crate::shell::Shell;
use crate::{Pages, page};

/// How many messages stand on one page.
const LISTED: u32 = 20;

/// The pages of this part.
pub fn router() -> Router<Arc<Pages>> {
    Router::new()
        .route("/inbox", get(show))
        .route("/inbox/events", get(events))
        .route("/inbox/read-all", post(read_all))
        .route("/inbox/{id}/read", post(read))
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage {
    shell: Shell,
    bar: Bar,
    tabs: Vec<Tab>,
    /// The tab that is open.
    show: String,
    days: Vec<Day>,
    /// The newest message that is shown.
    newest: Option<NotificationId>,
    /// Whether the page begins with the newest of all.
    is_newest: bool,
    /// Where the page of older ones begins.
    older: Option<String>,
    kept_days: i64,
}

/// One way to look at the inbox.
struct Tab {
    name: String,
    title: String,
}

/// Some messages under one heading.
struct Day {
    title: String,
    items: Vec<Item>,
}

/// One message.
struct Item {
    id: NotificationId,
    icon: &'static str,
    tone: &'static str,
    title: String,
    text: String,
    link: Option<String>,
    button: Option<String>,
    language: String,
    is_new: bool,
    at: Moment,
}

fn tabs(pages: &Pages) -> Vec<Tab> {
    let tab = |name: &str, title: &str| Tab { name: name.to_owned(), title: title.to_owned() };
    let categories = pages.notify.settings().categories.all().iter();
    let categories = categories.map(|offered| tab(offered.category.as_str(), &offered.title));
    [tab("", "All"), tab("unread", "Unread")].into_iter().chain(categories).collect()
}

/// `GET /inbox`
async fn show(
    State(pages): State<Arc<Pages>>,
    visitor: Visitor,
    context: RequestContext,
    query: Fields,
) -> Result<Response, Problem> {
    let shell = Shell::new(&context.request_id);
    let tabs = tabs(&pages);
    let show = tabs.iter().find(|tab| tab.name == query.text("show")).map_or("", |tab| tab.name.as_str()).to_owned();
    let wanted = match show.as_str() {
        "" => Wanted::default(),
        "unread" => Wanted { unread: true, category: None },
        category => Wanted { unread: false, category: Some(category.to_owned()) },
    };
    let cursor = Some(query.text("cursor")).filter(|cursor| !cursor.is_empty()).map(str::to_owned);
    let before = PageQuery::of_cursor(cursor).after::<NotificationId>()?;
    let found = in_app::list(&pages.notify, &visitor.account, &wanted, before, LISTED + 1).await?;
    let Page { items, next } = Page::from_rows(found, LISTED, |shown: &Shown| shown.id);
    let shown = InboxPage {
        shell,
        bar: Bar::new(&pages, &visitor, Here::Inbox).await?,
        tabs,
        show,
        newest: items.first().map(|shown| shown.id),
        days: days(items, &visitor.account, pages.auth.clock().now()),
        is_newest: before.is_none(),
        older: next,
        kept_days: KEPT_DAYS,
    };
    page(StatusCode::OK, &shown)
}

/// The messages under the days on which they came, by the clock of whoever reads them.
fn days(items: Vec<Shown>, account: &Account, now: Timestamp) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for shown in items {
        let (title, words) = when(shown.at, account.timezone.as_ref(), now);
        if days.last().is_none_or(|day| day.title != title) {
            days.push(Day { title, items: Vec::new() });
        }
        if let Some(day) = days.last_mut() {
            day.items.push(item(shown, words));
        }
    }
    days
}

/// Under which heading something stands that happened `then`, and what stands beside it.
fn when(then: Timestamp, zone: Option<&TimeZoneName>, now: Timestamp) -> (String, String) {
    let there = |moment: Timestamp| {
        let offset = zone.and_then(|zone| zone.offset(moment)).unwrap_or(0);
        moment.plus_seconds(offset.into()).to_date_time()
    };
    let (then, now) = (there(then), there(now));
    let clock = format!("{:02}:{:02}", then.hour(), then.minute());
    let date = format!("{} {}", then.day(), &then.month().to_string()[..3]);
    match (now.date() - then.date()).whole_days() {
        ..=0 => ("Today".to_owned(), clock),
        1 => ("Yesterday".to_owned(), clock),
        _ if (then.year(), then.month()) == (now.year(), now.month()) => (format!("Earlier in {}", then.month()), date),
        _ => (format!("{} {}", then.month(), then.year()), date),
    }
}

fn item(shown: Shown, words: String) -> Item {
    let is_new = shown.read_at.is_none();
    let category = Category::built_in(&shown.category);
    let icon = match category {
        Some(Category::Security) => "shield-alert",
        Some(Category::Account) => "user",
        Some(Category::Marketing) => "mail",
        Some(Category::Product | Category::Own(_)) | None => "app-window",
    };
    Item {
        id: shown.id,
        icon,
        tone: if is_new && category == Some(Category::Security) { "warn" } else { "" },
        title: shown.title,
        text: shown.text,
        link: shown.link,
        button: shown.button,
        language: shown.language,
        is_new,
        at: Moment { exact: shown.at.to_string(), words },
    }
}

/// Back to the way of looking that the form was sent from.
fn back(form: &SignedInForm) -> Response {
    let show = form.fields.text("show");
    let is_name = show.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    if show.is_empty() || !is_name { see_other("/inbox") } else { see_other(&format!("/inbox?show={show}")) }
}

/// `POST /inbox/{id}/read`
async fn read(
    State(pages): State<Arc<Pages>>,
    Path(id): Path<String>,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    match in_app::mark_read(&pages.notify, form.visitor.account.id, id).await {
        Ok(()) => Ok(back(&form)),
        Err(ReadNotificationError::NotFound) => Err(Problem::not_found()),
        Err(ReadNotificationError::Storage(cause)) => Err(cause.into()),
    }
}

/// `POST /inbox/read-all`
async fn read_all(State(pages): State<Arc<Pages>>, form: SignedInForm) -> Result<Response, Problem> {
    // What came while they looked at the page was not on it.
    let up_to = form.fields.text("up_to").parse().map_err(|_| Problem::not_found())?;
    in_app::mark_all_read(&pages.notify, form.visitor.account.id, Some(up_to)).await?;
    Ok(back(&form))
}

/// `GET /inbox/events`: the same as `GET /api/v1/notifications/stream`, for a page.
async fn events(State(pages): State<Arc<Pages>>, visitor: Visitor, headers: HeaderMap) -> Result<Response, Problem> {
    let after = notify::api::last_event(&headers)?;
    let listening = pages.notify.listen(visitor.account.id, visitor.session.id, after).await?;
    // The session was good when its cookie was read. What ends it from now on is heard.
    if !auth::browser::is_good(&pages.auth, &visitor.session).await? {
        return Err(Problem::unauthenticated());
    }
    Ok(listening.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stand_under_the_day_of_whoever_reads_them() {
        // 13 October 2026, 22:30 UTC.
        let now = Timestamp::from_unix_seconds(1_791_930_600);
        let words = |seconds: i64, zone: Option<&str>| {
            let zone = zone.and_then(TimeZoneName::parse);
            let (title, words) = when(now.plus_seconds(-seconds), zone.as_ref(), now);
            format!("{title}: {words}")
        };
        assert_eq!(words(0, None), "Today: 22:30");
        assert_eq!(words(0, Some("Europe/Vienna")), "Today: 00:30");
        assert_eq!(words(3_600, Some("Europe/Vienna")), "Yesterday: 23:30");
        assert_eq!(words(3_600, None), "Today: 21:30");
        assert_eq!(words(86_400, None), "Yesterday: 22:30");
        assert_eq!(words(5 * 86_400, None), "Earlier in October: 8 Oct");
        assert_eq!(words(30 * 86_400, None), "September 2026: 13 Sep");
        // A clock that was set back: nothing is from tomorrow.
        assert_eq!(words(-90_000, None), "Today: 23:30");
    }
}
