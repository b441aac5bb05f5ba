//! The account page: its owner's profile, password and devices.

pub mod delete;
pub mod email;
pub mod email_link;
pub mod notifications;
pub mod password;
pub mod picture;
pub mod profile;
pub mod push;
pub mod sessions;
pub mod verify;

use std::sync::Arc;

use askama::Template;
use auth::Session;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext, Timestamp};
use users::avatar::tint;
use users::{Account, DisplayName, Party, TimeZoneName};

use self::profile::Typed;

use crate::agent::Device;
use crate::bar::{Bar, Here};
use crate::browser::Visitor;
use crate::csrf::Binding;
use crate::form::Fields;
use crate::moment::Moment;
use crate::shell::{Mistakes, Notice, Shell, initials, picture};
use crate::{Pages, languages, page};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    shell: Shell,
    bar: Bar,
    csrf: String,
    person: Person,
    typed: Typed,
    zones: Vec<String>,
    least: usize,
    failed: bool,
    profile: Mistakes,
    preferences: Mistakes,
    picture: Mistakes,
    email: Mistakes,
    /// Another address, as typed.
    new_email: String,
    /// Where a mail can show that the address is theirs: what is wrong with the code that they typed.
    code: Option<Mistakes>,
    password: Mistakes,
    notifications: Mistakes,
    panel: notifications::Panel,
    notice: Option<Notice>,
    /// What their clock shows.
    clock: Option<String>,
    /// What their language is called by those who speak it.
    language: Option<&'static str>,
    /// With what a browser subscribes; nothing where browsers are not pushed to.
    push_key: Option<String>,
    devices: Vec<Row>,
    has_others: bool,
}

/// Whose page it is.
struct Person {
    name: Option<String>,
    email: String,
    email_verified: bool,
    administrator: bool,
    initials: String,
    /// The address of their picture, if it is kept here. One elsewhere would have to be fetched there.
    picture: Option<String>,
    /// Whether they have one, here or elsewhere.
    has_avatar: bool,
    tint: u8,
    version: i64,
    created: Moment,
    updated: Moment,
}

impl Person {
    fn new(account: &Account, now: Timestamp) -> Self {
        let name = account.name.as_ref().map(DisplayName::as_str);
        Self {
            initials: initials(name.unwrap_or(account.email.as_str())),
            has_avatar: account.avatar.is_some(),
            picture: picture(account, 256),
            name: name.map(str::to_owned),
            email: account.email.as_str().to_owned(),
            email_verified: account.email_verified,
            administrator: account.roles.iter().any(|role| role == users::account::ADMIN),
            tint: tint(account.id),
            version: account.version,
            created: Moment::new(account.created_at, now),
            updated: Moment::new(account.updated_at, now),
        }
    }

    fn called(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }
}

/// One session in the list of devices.
struct Row {
    id: String,
    name: String,
    icon: &'static str,
    address: String,
    begun: Moment,
    seen: Moment,
    current: bool,
}

impl Row {
    fn new(session: &Session, visitor: &Visitor, now: Timestamp) -> Self {
        let device = Device::from_user_agent(&session.user_agent);
        Self {
            id: session.id.to_string(),
            name: session.device_name.clone().unwrap_or(device.name),
            icon: device.icon,
            address: session.ip.clone(),
            begun: Moment::new(session.created_at, now),
            seen: Moment::new(session.last_seen_at, now),
            current: session.id == visitor.session.id,
        }
    }
}

/// What a form that failed leaves on the page.
#[derive(Default)]
struct Returned {
    /// The profile as typed.
    typed: Option<Typed>,
    profile: Mistakes,
    preferences: Mistakes,
    picture: Mistakes,
    email: Mistakes,
    /// Another address, as typed.
    new_email: String,
    /// The code of the mail that verifies the address.
    code: Mistakes,
    password: Mistakes,
    notifications: Mistakes,
    /// What they want to hear, as ticked.
    panel: Option<notifications::Panel>,
    notice: Option<Notice>,
}

/// `GET /account`
pub async fn show(
    State(pages): State<Arc<Pages>>,
    visitor: Visitor,
    context: RequestContext,
    query: Fields,
) -> Result<Response, Problem> {
    let returned = Returned { notice: done(query.text("done")), ..Returned::default() };
    render(&pages, &visitor, &context, StatusCode::OK, returned).await
}

/// The words for what a form did. The code comes from the address bar, so it chooses among fixed texts.
fn done(code: &str) -> Option<Notice> {
    match code {
        "profile" => Some(Notice::done("Profile saved.", "Applications see it the next time they ask.")),
        "preferences" => Some(Notice::done("Preferences saved.", "Applications see them the next time they ask.")),
        "picture" => Some(Notice::done("Picture saved.", "Applications see it the next time they ask.")),
        "picture_removed" => Some(Notice::done("Picture removed.", "Your initials are in its place.")),
        "email" => Some(Notice::done(
            "Asked for.",
            "A link for the new address works once, within 60 minutes. Until then nothing changes.",
        )),
        "verified" => Some(Notice::done("Email verified.", "It is shown to be yours.")),
        "mail" => Some(Notice::done("Check your mail.", "One mail a minute is sent, and five an hour.")),
        "notifications" => Some(Notice::done("Notifications saved.", "They hold for what comes from now on.")),
        "password" => Some(Notice::done("Password changed.", "Every other device is signed out.")),
        "push-on" => Some(Notice::done("Switched on.", "What happens to your account shows on this browser.")),
        "push-off" => Some(Notice::done("Switched off.", "Nothing more is shown on this browser.")),
        "push-failed" => {
            Some(Notice::failed("That did not work.", "Nothing was changed. Load this page and try again."))
        }
        "device" => Some(Notice::done("Device signed out.", "The next thing it asks for here is refused.")),
        "devices" => Some(Notice::done("Signed out everywhere else.", "Only this device is still signed in.")),
        _ => None,
    }
}

async fn render(
    pages: &Pages,
    visitor: &Visitor,
    context: &RequestContext,
    status: StatusCode,
    returned: Returned,
) -> Result<Response, Problem> {
    let now = pages.auth.clock().now();
    let sessions = auth::session::list(&pages.auth, visitor.account.id, None, kernel::page::MAX_LIMIT).await?;
    let mut devices: Vec<Row> = sessions.iter().map(|session| Row::new(session, visitor, now)).collect();
    devices.sort_by_key(|device| !device.current);
    let person = Person::new(&visitor.account, now);
    let personal = pages.auth.users().personal_data(&visitor.account, Party::Owner).await?;
    let typed = Typed::current(pages.auth.users(), &visitor.account, &personal);
    page(
        status,
        &AccountPage {
            shell: Shell::new(&context.request_id),
            bar: Bar::new(pages, visitor, Here::Account).await?,
            csrf: Binding::Session(visitor.session.id).token(pages.auth.cookie_key()),
            typed: returned.typed.unwrap_or(typed),
            zones: TimeZoneName::all(),
            picture: returned.picture,
            person,
            least: pages.auth.settings().policy.min_characters,
            failed: status != StatusCode::OK,
            clock: visitor.account.timezone.as_ref().and_then(|zone| zone.clock(now)),
            language: visitor.account.locale.as_ref().and_then(|locale| languages::called(locale.as_str())),
            profile: returned.profile,
            preferences: returned.preferences,
            email: returned.email,
            code: (!visitor.account.email_verified && pages.notify.sends_mail()).then_some(returned.code),
            new_email: returned.new_email,
            password: returned.password,
            notifications: returned.notifications,
            panel: match returned.panel {
                Some(panel) => panel,
                None => notifications::Panel::current(pages, visitor.account.id).await?,
            },
            notice: returned.notice,
            push_key: pages.notify.web_push_key().map(str::to_owned),
            has_others: devices.iter().any(|device| !device.current),
            devices,
        },
    )
}
