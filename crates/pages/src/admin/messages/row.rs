//! A delivery, as it is shown.

use kernel::{Timestamp, UserId};
use notify::{ChannelName, Delivery, State};

use crate::admin::standing::Standing;
use crate::moment::Moment;

/// A delivery, as it is shown.
pub struct Row {
    /// Its id.
    pub id: String,
    /// What it says.
    pub template: String,
    /// Whom it is for.
    pub user: UserId,
    /// How it goes there.
    pub channel: &'static str,
    /// What has become of it.
    pub standing: Standing,
    /// Why, or when it is tried next.
    pub more: Option<String>,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was written down.
    pub at: Moment,
    /// Whether it can be tried again.
    pub can_be_retried: bool,
}

impl Row {
    /// Of this delivery.
    pub fn new(delivery: Delivery, now: Timestamp) -> Self {
        let state = State::parse(&delivery.state);
        let (word, tone, shape) = match state {
            Some(State::Queued) | None => ("Waits", "", "ring"),
            Some(State::Sent) => ("Handed over", "ok", ""),
            Some(State::Failed) => ("Late, trying again", "warn", "diamond"),
            Some(State::Dead) => ("Given up", "danger", "bar"),
            Some(State::Dropped) => ("Not told", "", "ring"),
        };
        let next = (state == Some(State::Failed)).then(|| {
            let seconds = delivery.next_at.since(now).as_secs();
            if seconds < 60 {
                "Next try in under a minute.".to_owned()
            } else {
                format!("Next try in {} min.", seconds.div_ceil(60))
            }
        });
        let more = [delivery.reason, next].into_iter().flatten().collect::<Vec<_>>().join(". ");
        Self {
            id: delivery.id.to_string(),
            template: shown_template(&delivery.template),
            user: delivery.user_id,
            channel: ChannelName::parse(&delivery.channel).map_or("", shown_channel),
            standing: Standing { word, tone, shape },
            more: (!more.is_empty()).then_some(more),
            attempts: delivery.attempts,
            at: Moment::new(delivery.created_at, now),
            can_be_retried: matches!(state, Some(State::Failed | State::Dead | State::Dropped))
                && !delivery.template.is_empty(),
        }
    }
}

/// What a channel is called where people read it.
pub const fn shown_channel(channel: ChannelName) -> &'static str {
    match channel {
        ChannelName::Email => "Email",
        ChannelName::InApp => "In app",
        ChannelName::Push => "Push",
    }
}

/// What a message is called where people read it: `reset-password` is “Reset password”.
pub fn shown_template(name: &str) -> String {
    if name.is_empty() {
        return "An event that cannot be read".to_owned();
    }
    let words = name.replace(['-', '_'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_names_that_can_be_read() {
        assert_eq!(shown_template("reset-password"), "Reset password");
        assert_eq!(shown_template(""), "An event that cannot be read");
    }
}
