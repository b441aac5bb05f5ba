//! Saying something to many people: what a job does that another crate knows how to do.

use std::pin::Pin;

use kernel::id::SendId;
use kernel::{Timestamp, UserId};
use storage::{Error, Result, Tx};

use super::record::{self, Claimed};
use super::run::{self, Step, lease_end};
use super::{State, batch};
use crate::Users;

/// How many people one transaction tells.
pub(super) const ACCOUNTS: usize = 100;

/// What became of telling some people.
#[derive(Debug)]
pub enum Outcome {
    /// They were told, but for some.
    Told(Told),
    /// Nobody was: whoever asked for it may not have anything said any more.
    Forbidden,
}

/// What telling some people came to.
#[derive(Debug)]
pub struct Told {
    /// Who was not told, and why: the code of a problem.
    pub refused: Vec<(UserId, &'static str)>,
    /// How many mails are to be handed over.
    pub queued: u64,
    /// How many messages are to go to devices.
    pub pushed: u64,
    /// How many are in inboxes.
    pub shown: u64,
    /// When somebody asked for it.
    pub at: Timestamp,
}

/// The work of telling some people.
pub type Telling<'a> = Pin<Box<dyn Future<Output = Result<Outcome>> + Send + 'a>>;

/// The work of forgetting.
pub type Forgetting<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Whoever knows how people are told. This crate does not: `notify` knows it, not the other way round.
pub trait Teller: Send + Sync {
    /// Says what was asked for under this id to these people, in a transaction of whoever calls, and to each of them once,
    /// however often it is called.
    fn tell<'a>(&'a self, tx: &'a mut Tx, send: SendId, people: &'a [UserId]) -> Telling<'a>;

    /// The transaction was committed.
    fn told(&self, told: &Told);

    /// Forgets what was to be said: the job is over, in this transaction.
    fn forget<'a>(&'a self, tx: &'a mut Tx, send: SendId) -> Forgetting<'a>;
}

/// Tells these people, who are in order, and moves the position on: all of it or nothing.
pub(super) async fn tell(users: &Users, claimed: &mut Claimed, send: SendId, people: &[UserId]) -> Result<Step> {
    let Some(last) = people.last() else { return Ok(Step::On) };
    let teller = users
        .jobs
        .teller()
        .ok_or_else(|| Error::Unavailable("this process does not know how people are told".to_owned()))?;
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    if !record::keep(&mut tx, claimed.job.id, claimed.lease, lease_end(now)).await? {
        return Ok(Step::Over);
    }
    let mut job = claimed.job.clone();
    let outcome = match batch::refusal_of_all(&mut tx, claimed).await? {
        Some(trouble) => Err(trouble),
        None => match teller.tell(&mut tx, send, people).await? {
            Outcome::Told(told) => Ok(told),
            Outcome::Forbidden => Err("forbidden"),
        },
    };
    let told = match outcome {
        Ok(told) => told,
        Err(trouble) => {
            run::finish_in(users, &mut tx, &mut job, State::Failed, Some(trouble), now).await?;
            tx.commit().await?;
            claimed.job = job;
            users.jobs.count_ended(false);
            return Ok(Step::Over);
        }
    };
    for user in people {
        match told.refused.iter().find(|(refused, _)| refused == user) {
            Some((_, code)) => job.count_refused(*user, code),
            None => job.count_done(),
        }
    }
    record::advance(&mut tx, &job, *last).await?;
    tx.commit().await?;
    teller.told(&told);
    (claimed.job, claimed.position) = (job, Some(*last));
    Ok(Step::On)
}
