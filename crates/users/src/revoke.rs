//! The one function through which all trust ends.

use kernel::id::KeyId;
use kernel::{Event, Revocation, SessionId, UserId};
use storage::{Result, Tx};

use crate::account;

/// Whose trust ends, and how much of it.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Everything: all sessions and all tokens. A ban, a deletion, "sign out everywhere".
    Everything(UserId),
    /// The tokens, so that the next ones say something new. A change of roles.
    Tokens(UserId),
    /// These sessions and their tokens. A sign-out, a password change, a stolen refresh token.
    Sessions(UserId, Vec<SessionId>),
    /// Whatever this signing key signed. A key that may have got into other hands.
    Key(KeyId),
}

/// Ends trust and appends the event that says why, in the caller's transaction.
///
/// Every path that takes somebody's access away goes through here: what is not in the event's
/// `revokes` does not reach the verifiers, and nothing else may write that field. The session rows
/// named in [`Ended::Sessions`] are the caller's to end in the same transaction.
pub async fn revoke(tx: &mut Tx, ended: Ended, event: Event) -> Result<()> {
    let revocation = match ended {
        Ended::Everything(subject) => {
            Some(Revocation::Subject { subject, epoch: account::end_everything(tx, subject).await? })
        }
        Ended::Tokens(subject) => Some(Revocation::Subject { subject, epoch: account::end_tokens(tx, subject).await? }),
        Ended::Sessions(_, sessions) if sessions.is_empty() => None,
        Ended::Key(kid) => Some(Revocation::Key { kid }),
        Ended::Sessions(subject, sessions) => Some(Revocation::Sessions { subject, sessions }),
    };
    tx.append(Event { revokes: revocation, ..event });
    Ok(())
}

/// Tells this process once more that a session is over, when somebody else has just ended it and
/// this answer must not come before that has been heard here.
pub fn revoke_again(tx: &mut Tx, subject: UserId, session: SessionId, event: Event) {
    tx.repeat(Event { revokes: Some(Revocation::Sessions { subject, sessions: vec![session] }), ..event });
}
