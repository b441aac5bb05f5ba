//! What a ledger entry means to receivers: which events, about whom, and why.
//!
//! The texts in `reason_admin` are ours. What an administrator typed as a reason is not passed on: it
//! may name people, and receivers are other organisations.

use kernel::id::StreamId;
use kernel::{Event, EventId, Kind, Revocation, SessionId, UserId};
use serde_json::{Map, Value, json};

use super::event_type::EventType;

/// Whom an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// An account.
    User(UserId),
    /// One session of an account.
    Session(UserId, SessionId),
    /// Every session of an account.
    AllSessions(UserId),
    /// The stream itself.
    Stream(StreamId),
}

impl Subject {
    /// The account that it is about.
    pub(super) const fn user(self) -> Option<UserId> {
        match self {
            Self::User(user) | Self::Session(user, _) | Self::AllSessions(user) => Some(user),
            Self::Stream(_) => None,
        }
    }

    /// As `sub_id` (RFC 9493; SSF 1.0 §3.3 for the complex ones).
    pub(super) fn to_sub_id(self, issuer: &str) -> Value {
        let account = |user: UserId| json!({ "format": "iss_sub", "iss": issuer, "sub": user.to_string() });
        match self {
            Self::User(user) => account(user),
            Self::Session(user, session) => json!({
                "format": "complex",
                "user": account(user),
                "session": { "format": "opaque", "id": session.to_string() },
            }),
            Self::AllSessions(user) => json!({ "format": "complex", "user": account(user) }),
            Self::Stream(stream) => json!({ "format": "opaque", "id": stream.to_string() }),
        }
    }
}

/// One event for receivers.
#[derive(Clone, Debug)]
pub(super) struct Signal {
    /// Of which kind.
    pub(super) event_type: EventType,
    /// About whom.
    pub(super) subject: Subject,
    /// The members of the event.
    pub(super) members: Map<String, Value>,
    /// The ledger event that caused it, for `txn`.
    pub(super) cause: EventId,
}

/// Whether entries of this kind mean anything to receivers.
pub(super) fn is_relevant(kind: &str) -> bool {
    let relevant = [
        Kind::SessionStarted,
        Kind::SessionEnded,
        Kind::OtherSessionsEnded,
        Kind::RefreshTokenReused,
        Kind::PasswordChanged,
        Kind::PasswordReset,
        Kind::AccountSignedOut,
        Kind::AccountSuspended,
        Kind::AccountReinstated,
        Kind::AccountDeleted,
        Kind::AccountRestored,
        Kind::AccountErased,
        Kind::AccountUpdated,
        Kind::EmailChanged,
        Kind::EmailVerified,
    ];
    relevant.iter().any(|relevant| relevant.as_str() == kind)
}

/// What a ledger entry means, always in the same order: the place in it is part of the token's id.
pub(super) fn signals(event: &Event) -> Vec<Signal> {
    let Some(user) = event.subject else { return Vec::new() };
    let account = |event_type| signal(event, event_type, Subject::User(user), Map::new());
    let everything = || signal(event, EventType::SessionRevoked, Subject::AllSessions(user), circumstances(event));
    match event.kind {
        // A session that begins ends the oldest ones if there are too many.
        Kind::SessionStarted | Kind::SessionEnded | Kind::OtherSessionsEnded | Kind::RefreshTokenReused => {
            ended_sessions(event)
        }
        // Another address, given by an administrator, ends every session, and so does verifying one with which somebody
        // else had signed up; other changes end a few or none.
        Kind::AccountUpdated | Kind::EmailChanged | Kind::EmailVerified => match event.revokes {
            Some(Revocation::Subject { .. }) => vec![everything()],
            _ => ended_sessions(event),
        },
        Kind::PasswordChanged => [vec![another_password(event, user)], ended_sessions(event)].concat(),
        Kind::PasswordReset => vec![another_password(event, user), everything()],
        Kind::AccountSignedOut => vec![everything()],
        Kind::AccountSuspended => vec![everything(), account(EventType::AccountDisabled)],
        Kind::AccountDeleted | Kind::AccountErased => vec![everything(), account(EventType::AccountPurged)],
        Kind::AccountReinstated | Kind::AccountRestored => vec![account(EventType::AccountEnabled)],
        _ => Vec::new(),
    }
}

fn another_password(event: &Event, user: UserId) -> Signal {
    let mut members = circumstances(event);
    members.insert("credential_type".into(), "password".into());
    members.insert("change_type".into(), "update".into());
    signal(event, EventType::CredentialChange, Subject::User(user), members)
}

fn signal(event: &Event, event_type: EventType, subject: Subject, members: Map<String, Value>) -> Signal {
    Signal { event_type, subject, members, cause: event.id }
}

fn ended_sessions(event: &Event) -> Vec<Signal> {
    let Some(Revocation::Sessions { subject, sessions }) = &event.revokes else { return Vec::new() };
    let ended =
        |&session| signal(event, EventType::SessionRevoked, Subject::Session(*subject, session), circumstances(event));
    sessions.iter().map(ended).collect()
}

/// When, by whom and why (CAEP 1.0 §2).
fn circumstances(event: &Event) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("event_timestamp".into(), event.at.unix_seconds().into());
    let by_owner = event.actor.is_some() && event.actor == event.subject;
    let (entity, reason) = match event.kind {
        Kind::SessionEnded if event.data.contains_key("by_session") => {
            ("user", "The user ended this session from another one.")
        }
        Kind::SessionStarted => ("policy", "The account had too many sessions: the oldest made room for a newer one."),
        Kind::SessionEnded if by_owner => ("user", "The user signed out."),
        Kind::SessionEnded => ("admin", "An administrator ended the session."),
        Kind::OtherSessionsEnded => ("user", "The user ended all other sessions."),
        Kind::PasswordChanged => ("user", "The user changed the password."),
        Kind::RefreshTokenReused => {
            ("policy", "A refresh token that had been replaced was used again: the session was ended as stolen.")
        }
        Kind::AccountSuspended => ("admin", "An administrator suspended the account."),
        Kind::AccountDeleted if by_owner => ("user", "The user deleted the account."),
        Kind::AccountDeleted => ("admin", "An administrator deleted the account."),
        Kind::AccountErased if event.actor.is_none() => {
            ("policy", "The account was deleted 30 days ago: what it said was erased.")
        }
        Kind::AccountErased => ("admin", "An administrator erased the account."),
        Kind::PasswordReset => ("user", "The user chose another password by a link that was sent by mail."),
        Kind::EmailVerified => {
            ("user", "The user showed that the email address is theirs: what was begun before is over.")
        }
        Kind::EmailChanged if by_owner => ("user", "The user has another email address."),
        Kind::EmailChanged | Kind::AccountUpdated => {
            ("admin", "An administrator gave the account another email address.")
        }
        _ => ("admin", "An administrator ended all sessions of the account."),
    };
    members.insert("initiating_entity".into(), entity.into());
    members.insert("reason_admin".into(), json!({ "en": reason }));
    members
}
