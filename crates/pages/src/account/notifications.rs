//! A person chooses what they want to hear, where and when.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use kernel::{Problem, RequestContext, UserId};
use notify::preference::{self, Choice, DIGEST_HOUR, Digest, Preferences, PreferencesChange, QuietHours};
use notify::{Category, ChannelName};

use super::{Returned, render};
use crate::Pages;
use crate::entry::see_other;
use crate::form::{Fields, SignedInForm};
use crate::shell::Mistakes;

/// The panel as it stands on the page.
pub struct Panel {
    pub(crate) rows: Vec<Row>,
    pub(crate) quiet_from: String,
    pub(crate) quiet_to: String,
    pub(crate) digest: &'static str,
    pub(crate) hour: i8,
    /// What waits for a digest, in words.
    pub(crate) in_digest: String,
}

/// A category.
pub struct Row {
    pub(crate) title: String,
    pub(crate) cells: Vec<Cell>,
}

/// A category on a channel.
pub struct Cell {
    /// The name of its box.
    pub(crate) name: String,
    pub(crate) channel: &'static str,
    pub(crate) always_on: bool,
    pub(crate) wanted: bool,
}

/// What people call a channel.
const fn called(channel: ChannelName) -> &'static str {
    match channel {
        ChannelName::Email => "email",
        ChannelName::InApp => "inbox",
        ChannelName::Push => "push",
    }
}

/// The name of the box of a category on a channel.
fn name_of(category: Category, channel: ChannelName) -> String {
    format!("{}.{}", category.as_str(), channel.as_str())
}

impl Panel {
    /// What somebody has chosen.
    pub async fn current(pages: &Pages, user: UserId) -> Result<Self, Problem> {
        let chosen = preference::preferences(&pages.notify, user).await?;
        Ok(Self::new(pages, &chosen))
    }

    fn new(pages: &Pages, chosen: &Preferences) -> Self {
        let categories = &pages.notify.settings().categories;
        let row = |offered: &notify::Offered| Row {
            title: offered.title.clone(),
            cells: ChannelName::ALL
                .into_iter()
                .map(|channel| Cell {
                    name: name_of(offered.category, channel),
                    channel: called(channel),
                    always_on: offered.is_always_on(channel),
                    wanted: chosen.wants(categories, offered.category, channel),
                })
                .collect(),
        };
        let together: Vec<&str> =
            categories.all().iter().filter(|offered| offered.digest).map(|offered| offered.title.as_str()).collect();
        Self {
            rows: categories.all().iter().map(row).collect(),
            quiet_from: chosen.quiet.map(|quiet| quiet.from()).unwrap_or_default(),
            quiet_to: chosen.quiet.map(|quiet| quiet.to()).unwrap_or_default(),
            digest: chosen.digest.as_str(),
            hour: chosen.digest_hour,
            in_digest: together.join(", "),
        }
    }

    /// The same with what was typed into it.
    fn with(mut self, fields: &Fields) -> Self {
        for cell in self.rows.iter_mut().flat_map(|row| &mut row.cells) {
            cell.wanted = cell.always_on || fields.is_ticked(&cell.name);
        }
        fields.text("quiet_from").clone_into(&mut self.quiet_from);
        fields.text("quiet_to").clone_into(&mut self.quiet_to);
        self.digest = Digest::parse(fields.text("digest")).unwrap_or_default().as_str();
        self
    }

    /// The hours of a day, for people to choose from.
    pub fn hours() -> impl Iterator<Item = i8> {
        0..24
    }
}

/// What was typed, or what is wrong with it.
fn read(pages: &Pages, fields: &Fields) -> Result<PreferencesChange, Mistakes> {
    let mut mistakes = Mistakes::default();
    let (from, to) = (fields.text("quiet_from").trim(), fields.text("quiet_to").trim());
    let quiet = if from.is_empty() && to.is_empty() {
        None
    } else {
        match QuietHours::parse(from, to) {
            Ok(quiet) => Some(quiet),
            Err(error) => {
                mistakes.add("quiet_from", "invalid_time", format!("{error} Or leave both empty."));
                None
            }
        }
    };
    let digest = Digest::parse(fields.text("digest"));
    if digest.is_none() {
        mistakes.add("digest", "invalid_digest", "Choose how it is to come.");
    }
    let hour = fields.text("digest_hour").parse::<i8>().ok().filter(|hour| (0..24).contains(hour));
    let categories = pages.notify.settings().categories.all();
    let choices = categories.iter().flat_map(|offered| {
        ChannelName::ALL.into_iter().filter(|channel| !offered.is_always_on(*channel)).map(|channel| Choice {
            category: offered.category.as_str().to_owned(),
            channel,
            wanted: fields.is_ticked(&name_of(offered.category, channel)),
        })
    });
    match digest {
        Some(digest) if !mistakes.is_failed() => Ok(PreferencesChange {
            choices: choices.collect(),
            quiet,
            digest,
            digest_hour: hour.unwrap_or(DIGEST_HOUR),
        }),
        _ => Err(mistakes),
    }
}

/// `POST /account/notifications`
pub async fn submit(
    State(pages): State<Arc<Pages>>,
    context: RequestContext,
    form: SignedInForm,
) -> Result<Response, Problem> {
    let user = form.visitor.account.id;
    let notifications = match read(&pages, &form.fields) {
        Ok(change) => match preference::change_preferences(&pages.notify, user, change).await {
            Ok(_) => return Ok(see_other("/account?done=notifications#notifications")),
            // What the form does not offer cannot be chosen in it.
            Err(error) => return Err(error.into()),
        },
        Err(mistakes) => mistakes,
    };
    let panel = Panel::current(&pages, user).await?.with(&form.fields);
    let returned = Returned { notifications, panel: Some(panel), ..Returned::default() };
    render(&pages, &form.visitor, &context, StatusCode::UNPROCESSABLE_ENTITY, returned).await
}
