//! What somebody wants to hear: `/api/v1/notifications/preferences`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, Problem, StrictJson};
use serde::{Deserialize, Serialize};

use crate::preference::{
    ChangePreferencesError, Choice, DIGEST_HOUR, Digest, Preferences, PreferencesChange, QuietHours,
    change_preferences, preferences,
};
use crate::{ChannelName, Notify};

/// Between two times of the day, by the person's clock, what can wait waits.
#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuietView {
    /// When it begins, like `22:00`.
    #[schema(max_length = 5)]
    from: String,
    /// When it ends, like `07:00`.
    #[schema(max_length = 5)]
    to: String,
}

/// What somebody wants to hear, where and when.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = NotificationPreferences)]
pub(super) struct PreferencesView {
    /// By category and channel (`email`, `in_app`, `push`), whether it comes there.
    categories: BTreeMap<String, BTreeMap<&'static str, bool>>,
    /// When they want to be left alone; what is about security or their account does not wait.
    quiet_hours: Option<QuietView>,
    /// Whether what happens in applications comes together: `off`, `daily` or `weekly`.
    #[schema(value_type = String)]
    digest: &'static str,
    /// At which hour of their clock the digest comes.
    digest_hour: i8,
    /// What there is to choose from.
    offered: Vec<OfferedView>,
}

/// One category.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = NotificationCategory)]
struct OfferedView {
    /// Its name.
    category: String,
    /// What people are shown.
    title: String,
    /// The channels on which nobody can switch it off.
    always_on: Vec<&'static str>,
    /// Whether it waits for the digest of those who want one.
    in_digest: bool,
}

impl PreferencesView {
    fn new(notify: &Notify, preferences: &Preferences) -> Self {
        let categories = &notify.settings().categories;
        let wants = |category| {
            let of = |channel: ChannelName| (channel.as_str(), preferences.wants(categories, category, channel));
            ChannelName::ALL.into_iter().map(of).collect()
        };
        Self {
            categories: categories
                .all()
                .iter()
                .map(|offered| (offered.category.as_str().to_owned(), wants(offered.category)))
                .collect(),
            quiet_hours: preferences.quiet.map(|quiet| QuietView { from: quiet.from(), to: quiet.to() }),
            digest: preferences.digest.as_str(),
            digest_hour: preferences.digest_hour,
            offered: categories
                .all()
                .iter()
                .map(|offered| OfferedView {
                    category: offered.category.as_str().to_owned(),
                    title: offered.title.clone(),
                    always_on: ChannelName::ALL
                        .into_iter()
                        .filter(|channel| offered.is_always_on(*channel))
                        .map(ChannelName::as_str)
                        .collect(),
                    in_digest: offered.digest,
                })
                .collect(),
        }
    }
}

/// All that somebody chooses.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreferencesBody {
    /// By category and channel, whether it is to come there. What is not named is as it is for everybody.
    #[serde(default)]
    categories: BTreeMap<String, BTreeMap<String, bool>>,
    /// When what can wait is to wait; null for never.
    quiet_hours: Option<QuietView>,
    /// `off`, unless said, `daily` or `weekly`.
    #[schema(max_length = 8)]
    digest: Option<String>,
    /// 0 to 23: 8 unless said.
    #[schema(minimum = 0, maximum = 23)]
    digest_hour: Option<i64>,
}

impl PreferencesBody {
    fn read(self) -> Result<PreferencesChange, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut choices = Vec::new();
        for (category, channels) in self.categories {
            for (channel, wanted) in channels {
                match ChannelName::parse(&channel) {
                    Some(channel) => choices.push(Choice { category: category.clone(), channel, wanted }),
                    None => errors.push(FieldError::new(
                        format!("categories.{}", short(&category)),
                        "unknown_channel",
                        "Use email, in_app or push.",
                    )),
                }
            }
        }
        let quiet = self.quiet_hours.map(|quiet| QuietHours::parse(&quiet.from, &quiet.to)).transpose();
        let quiet = quiet.unwrap_or_else(|error| {
            errors.push(FieldError::new("quiet_hours", "invalid_time", error.to_string()));
            None
        });
        let digest = self.digest.as_deref().map_or(Some(Digest::Off), Digest::parse);
        if digest.is_none() {
            errors.push(FieldError::new("digest", "invalid_digest", "Use off, daily or weekly."));
        }
        let hour = i8::try_from(self.digest_hour.unwrap_or(DIGEST_HOUR.into())).ok();
        let hour = hour.filter(|hour| (0..24).contains(hour));
        if hour.is_none() {
            errors.push(FieldError::new("digest_hour", "invalid_hour", "Use a number from 0 to 23."));
        }
        match (digest, hour) {
            (Some(digest), Some(digest_hour)) if errors.is_empty() => {
                Ok(PreferencesChange { choices, quiet, digest, digest_hour })
            }
            _ => Err(errors),
        }
    }
}

/// What somebody typed, short enough to be said back.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(32).collect()
}

/// What I want to hear
#[utoipa::path(get, path = "/api/v1/notifications/preferences", tag = "Notifications", security(("access_token" = [])),
    responses((status = 200, description = "What holds, chosen or not, and what there is to choose from.", body = PreferencesView)))]
pub(super) async fn read_preferences(
    caller: Caller,
    State(notify): State<Notify>,
) -> Result<Json<PreferencesView>, Problem> {
    let chosen = preferences(&notify, caller.user).await?;
    Ok(Json(PreferencesView::new(&notify, &chosen)))
}

/// Choose what I want to hear
///
/// In the place of all that was chosen before. Mail about security cannot be switched off, and a link that somebody has
/// asked for always comes.
#[utoipa::path(put, path = "/api/v1/notifications/preferences", tag = "Notifications", security(("access_token" = [])),
    request_body = PreferencesBody,
    responses((status = 200, description = "What holds now.", body = PreferencesView),
        (status = 422, description = "`invalid_input`: a category, channel, time or hour is none, or something is to be switched off that cannot be.", body = ProblemDocument)))]
pub(super) async fn put_preferences(
    caller: Caller,
    State(notify): State<Notify>,
    StrictJson(body): StrictJson<PreferencesBody>,
) -> Result<Json<PreferencesView>, Problem> {
    let change = body.read().map_err(Problem::invalid_input)?;
    let chosen = change_preferences(&notify, caller.user, change).await?;
    Ok(Json(PreferencesView::new(&notify, &chosen)))
}

impl From<ChangePreferencesError> for Problem {
    fn from(error: ChangePreferencesError) -> Self {
        let wrong = |field: String, code, message: &'static str| {
            Self::invalid_input(vec![FieldError::new(field, code, message)])
        };
        match error {
            ChangePreferencesError::UnknownCategory(name) => {
                wrong(format!("categories.{}", short(&name)), "unknown_category", "There is no such category.")
            }
            ChangePreferencesError::AlwaysOn(name, channel) => wrong(
                format!("categories.{name}.{}", channel.as_str()),
                "always_on",
                "This cannot be switched off: it keeps the account safe.",
            ),
            ChangePreferencesError::Gone => Self::not_found(),
            ChangePreferencesError::Storage(error) => error.into(),
        }
    }
}
