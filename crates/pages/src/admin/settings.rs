//! How Usher is set up: what is configured, where each value comes from, and what the process is.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use kernel::Problem;
use users::api::officer::SettingsRead;

use super::{Console, Frame, Section};
use crate::moment::Moment;
use crate::surroundings::Setting;
use crate::{Pages, page};

/// The page of settings.
pub fn router() -> Router<Arc<Pages>> {
    Router::new().route("/admin/settings", get(show))
}

#[derive(Template)]
#[template(path = "admin/settings.html")]
struct SettingsPage {
    frame: Frame,
    facts: Option<Facts>,
    groups: Vec<Group>,
}

/// What the process is.
struct Facts {
    version: &'static str,
    started: Moment,
    services: String,
    database: &'static str,
    origin: String,
}

/// The settings that begin with the same word.
struct Group {
    name: String,
    settings: Vec<Setting>,
}

/// `GET /admin/settings`
async fn show(State(pages): State<Arc<Pages>>, console: Console<SettingsRead>) -> Result<Response, Problem> {
    let now = pages.auth.clock().now();
    let about = pages.surroundings.about();
    let facts = about.map(|about| Facts {
        version: about.version,
        started: Moment::new(about.started, now),
        services: about.services.clone(),
        database: about.database,
        origin: pages.origin.clone(),
    });
    let groups = grouped(about.map(|about| about.settings.as_slice()).unwrap_or_default());
    let frame = Frame::new(&pages, &console.desk, Section::Settings);
    page(StatusCode::OK, &SettingsPage { frame, facts, groups })
}

fn grouped(settings: &[Setting]) -> Vec<Group> {
    let mut groups: BTreeMap<&str, Vec<Setting>> = BTreeMap::new();
    for setting in settings {
        let group = setting.key.split_once('.').map_or("", |(group, _)| group);
        groups.entry(group).or_default().push(setting.clone());
    }
    groups.into_iter().map(|(name, settings)| Group { name: name.to_owned(), settings }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_belong_together_stand_together() {
        let setting = |key: &str| Setting { key: key.into(), value: String::new(), source: String::new() };
        let groups = grouped(&["listen", "tokens.algorithm", "log.level", "log.format"].map(setting));
        let shown: Vec<(&str, usize)> =
            groups.iter().map(|group| (group.name.as_str(), group.settings.len())).collect();
        assert_eq!(shown, [("", 1), ("log", 2), ("tokens", 1)]);
    }
}
