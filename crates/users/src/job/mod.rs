//! Work on many accounts that goes on in the background: giving and taking roles, suspending, signing out,
//! deleting, exporting, telling them something (`tell`, which `notify` has us do).
//!
//! `start` writes down what is wanted and by whom; `run` claims it, in any process, and does it in small
//! transactions (`batch`, or `parts` for an export), each of which moves the position on, so that what dies
//! half-way goes on exactly where it was. Each account is changed by the same function as when it is
//! changed alone, with its own event. `watch` tells how far it has come, `cancel` stops it, `result` gives an
//! export to whoever asked for it, `sweep` removes what is old. `record` has the SQL of `jobs` and `job_parts`.

mod action;
mod batch;
mod cancel;
mod desk;
mod parts;
pub mod record;
mod result;
mod run;
mod start;
mod sweep;
mod tell;
mod watch;

use kernel::{JobId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

pub use action::{Action, MAX_IDS, RawAction, Selection};
pub use cancel::{CancelJobError, cancel_job};
pub use desk::{Desk, Numbers};
pub use result::{Part, ResultError, open_part, take_result};
pub use run::{recover, run};
pub use start::{StartJobError, start_job, start_job_in};
pub use sweep::sweep;
pub use tell::{Forgetting, Outcome, Teller, Telling, Told};
pub use watch::{Seen, WatchError, Watched, watch};

/// For how long the result of an export is kept, in seconds.
pub const RESULT_SECONDS: i64 = 86_400;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Queued,
    /// Somebody works on it, or did until a moment ago.
    Running,
    /// All accounts were dealt with.
    Done,
    /// It was given up; [`Job::trouble`] says why.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl State {
    /// Its name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn from_stored(text: &str) -> Self {
        match text {
            "queued" => Self::Queued,
            "running" => Self::Running,
            "done" => Self::Done,
            "cancelled" => Self::Cancelled,
            // The column's CHECK lets nothing else through.
            _ => Self::Failed,
        }
    }

    /// Whether nothing will happen any more.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Done | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// An account that was left as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which.
    pub user: UserId,
    /// Why: the `code` of the problem that its own call would have answered.
    pub code: String,
}

/// One piece of work, as whoever asked for it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Who asked for it; nobody for what a command began.
    pub actor: Option<UserId>,
    /// What it does.
    pub action: Action,
    /// How far it is.
    pub state: State,
    /// How many accounts it is about, where that was counted.
    pub total: Option<i64>,
    /// How many were dealt with and are now as wanted.
    pub done: i64,
    /// How many were left as they were.
    pub failed: i64,
    /// The first of these.
    pub refusals: Vec<Refusal>,
    /// Why it was given up, as a code.
    pub trouble: Option<String>,
    /// Whether there is something to fetch, or was until it was too old.
    pub has_result: bool,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When somebody first worked on it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Job {
    /// Until when its result can be fetched, if there is one and it still can be.
    pub fn result_until(&self, now: Timestamp) -> Option<Timestamp> {
        let ended = self.ended_at.filter(|_| self.has_result && self.state == State::Done)?;
        Some(ended.plus_seconds(RESULT_SECONDS)).filter(|until| *until > now)
    }
}

/// Whose jobs somebody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Their own.
    Own(UserId),
    /// Everybody's: they may do everything.
    All(UserId),
}

impl Viewer {
    /// Who looks.
    pub const fn user(self) -> UserId {
        match self {
            Self::Own(user) | Self::All(user) => user,
        }
    }

    /// Whether a job of this actor is one of those.
    pub fn sees(self, actor: Option<UserId>) -> bool {
        match self {
            Self::Own(user) => actor == Some(user),
            Self::All(_) => true,
        }
    }
}
