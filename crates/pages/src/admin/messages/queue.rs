//! The queue of deliveries: what waits, what is late, what was given up, and trying it again.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::id::DeliveryId;
use kernel::{Problem, UserId};
use notify::{COUNTED, ChannelName, Count, Filter, RetryDeliveryError, State as DeliveryState, retry_delivery};
use users::api::officer::{NotificationsRead, NotificationsWrite, forbidden};
use users::may;

use super::{Row, shown_channel};
use crate::admin::chart::grouped;
use crate::admin::{Console, ConsoleForm, Frame, Section};
use crate::entry::see_other;
use crate::form::Fields;
use crate::shell::Notice;
use crate::{Pages, page};

/// The channels that somebody else takes from us. What is shown in the inbox is there at once.
const QUEUED: [ChannelName; 2] = [ChannelName::Email, ChannelName::Push];
/// How many deliveries a page has.
const LIMIT: u32 = 50;

#[derive(Template)]
#[template(path = "admin/messages/queue.html")]
struct QueuePage {
    frame: Frame,
    channels: Vec<Channel>,
    asked: Asked,
    rows: Vec<Row>,
    older: Option<String>,
    may_write: bool,
    shows_people: bool,
    sends_mail: bool,
}

impl QueuePage {
    /// How many of these rows can be tried again.
    fn retriable(&self) -> usize {
        if self.may_write { self.rows.iter().filter(|row| row.can_be_retried).count() } else { 0 }
    }
}

/// What waits on a channel.
struct Channel {
    name: &'static str,
    title: &'static str,
    queued: String,
    failed: String,
    dead: String,
    has_dead: bool,
}

/// What is asked for, by the address.
#[derive(Clone)]
struct Asked {
    state: Option<DeliveryState>,
    channel: Option<ChannelName>,
    user: Option<UserId>,
    before: Option<DeliveryId>,
}

impl Asked {
    /// What an address asks for. One that asks for what there is not leads nowhere.
    fn read(fields: &Fields) -> Result<Self, Problem> {
        fn part<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
            if text.is_empty() { Ok(None) } else { parse(text).map(Some).ok_or_else(Problem::not_found) }
        }
        Ok(Self {
            state: part(fields.text("state"), DeliveryState::parse)?,
            channel: part(fields.text("channel"), ChannelName::parse)?,
            user: part(fields.text("user"), |text| text.parse().ok())?,
            before: part(fields.text("before"), |text| text.parse().ok())?,
        })
    }

    const fn filter(&self) -> Filter {
        Filter { state: self.state, channel: self.channel, user: self.user }
    }

    const fn is_everything(&self) -> bool {
        self.state.is_none() && self.channel.is_none() && self.user.is_none()
    }

    /// The channel that is asked for, and what it is called.
    fn shown_channel(&self) -> Option<(&'static str, &'static str)> {
        self.channel.map(|channel| (channel.as_str(), shown_channel(channel)))
    }

    /// Where this is asked for.
    fn address(&self) -> String {
        let user = self.user.map(|user| user.to_string());
        let before = self.before.map(|before| before.to_string());
        let parts = [
            ("state", self.state.map(DeliveryState::as_str)),
            ("channel", self.channel.map(ChannelName::as_str)),
            ("user", user.as_deref()),
            ("before", before.as_deref()),
        ];
        let mut address = "/admin/deliveries".to_owned();
        for (name, value) in parts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.extend([name, "=", value]);
        }
        address
    }

    fn without_state(&self) -> String {
        Self { state: None, before: None, ..self.clone() }.address()
    }

    fn without_channel(&self) -> String {
        Self { channel: None, before: None, ..self.clone() }.address()
    }

    fn without_user(&self) -> String {
        Self { user: None, before: None, ..self.clone() }.address()
    }

    fn first(&self) -> String {
        Self { before: None, ..self.clone() }.address()
    }
}

/// `GET /admin/deliveries`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    console: Console<NotificationsRead>,
    query: Fields,
) -> Result<Response, Problem> {
    let asked = Asked::read(&query)?;
    let now = pages.auth.clock().now();
    let mut found = pages.notify.deliveries(asked.filter(), asked.before, LIMIT + 1).await?;
    let has_more = found.len() > LIMIT as usize;
    found.truncate(LIMIT as usize);
    let last = found.last().map(|delivery| delivery.id).filter(|_| has_more);
    let older = last.map(|last| Asked { before: Some(last), ..asked.clone() }.address());
    let counts = pages.notify.waiting().await?;
    let notice = done(query.text("done"));
    page(
        StatusCode::OK,
        &QueuePage {
            frame: Frame::new(&pages, &console.desk, Section::Deliveries).saying(notice),
            channels: QUEUED.into_iter().map(|channel| Channel::new(channel, &counts)).collect(),
            rows: found.into_iter().map(|delivery| Row::new(delivery, now)).collect(),
            asked,
            older,
            may_write: console.desk.may(may::NOTIFICATIONS_WRITE),
            shows_people: console.desk.may(may::USERS_READ),
            sends_mail: pages.notify.sends_mail(),
        },
    )
}

impl Channel {
    fn new(channel: ChannelName, counts: &[Count]) -> Self {
        let count = |state: DeliveryState| {
            let of = counts.iter().find(|one| one.channel == channel.as_str() && one.state == state.as_str());
            of.map_or(0, |one| one.count)
        };
        let shown = |state| {
            let count = count(state);
            if count < COUNTED { grouped(count) } else { format!("{} or more", grouped(COUNTED)) }
        };
        Self {
            name: channel.as_str(),
            title: shown_channel(channel),
            queued: shown(DeliveryState::Queued),
            failed: shown(DeliveryState::Failed),
            dead: shown(DeliveryState::Dead),
            has_dead: count(DeliveryState::Dead) > 0,
        }
    }
}

/// The words for what was done. The code comes from the address bar, so it chooses among fixed texts.
fn done(code: &str) -> Option<Notice> {
    match code {
        "retried" => Some(Notice::done("They are tried again.", "At once, and for another 24 hours.")),
        "some" => {
            Some(Notice::done("Some are tried again.", "The others were sent meanwhile, or are being tried right now."))
        }
        _ => None,
    }
}

/// `POST /admin/deliveries/retry`: those that are named by `id`.
pub async fn retry(
    State(pages): State<Arc<Pages>>,
    form: ConsoleForm<NotificationsWrite>,
) -> Result<Response, Problem> {
    let asked = Asked::read(&form.fields)?;
    let mut done = "retried";
    for id in form.fields.all("id").take(LIMIT as usize) {
        let id = id.parse().map_err(|_| Problem::not_found())?;
        match retry_delivery(&pages.notify, form.desk.authority, id).await {
            Ok(_) => {}
            Err(RetryDeliveryError::NotWaiting | RetryDeliveryError::NotFound) => done = "some",
            Err(RetryDeliveryError::Forbidden) => return Err(forbidden()),
            Err(RetryDeliveryError::Storage(cause)) => return Err(cause.into()),
        }
    }
    let address = asked.first();
    let sign = if address.contains('?') { '&' } else { '?' };
    Ok(see_other(&format!("{address}{sign}done={done}")))
}
