//! The kinds of events that receivers know, by their names in the standards.

/// One kind of event (SSF 1.0 §8.1.4 and §8.1.5, CAEP 1.0 §3, RISC 1.0 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventType {
    /// CAEP: a session is over, or all of an account's.
    SessionRevoked,
    /// CAEP: a password was changed.
    CredentialChange,
    /// RISC: an account may not be used for now.
    AccountDisabled,
    /// RISC: it may be used again.
    AccountEnabled,
    /// RISC: an account is gone.
    AccountPurged,
    /// SSF: a receiver wanted to know whether the stream works.
    Verification,
    /// SSF: the stream was paused, disabled or enabled.
    StreamUpdated,
}

impl EventType {
    /// What a receiver can ask for. The other two come whether they are asked for or not.
    pub(super) const SUPPORTED: [Self; 5] = [
        Self::SessionRevoked,
        Self::CredentialChange,
        Self::AccountDisabled,
        Self::AccountEnabled,
        Self::AccountPurged,
    ];

    /// Its name in the `events` of a token.
    pub(super) const fn uri(self) -> &'static str {
        match self {
            Self::SessionRevoked => "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
            Self::CredentialChange => "https://schemas.openid.net/secevent/caep/event-type/credential-change",
            Self::AccountDisabled => "https://schemas.openid.net/secevent/risc/event-type/account-disabled",
            Self::AccountEnabled => "https://schemas.openid.net/secevent/risc/event-type/account-enabled",
            Self::AccountPurged => "https://schemas.openid.net/secevent/risc/event-type/account-purged",
            Self::Verification => "https://schemas.openid.net/secevent/ssf/event-type/verification",
            Self::StreamUpdated => "https://schemas.openid.net/secevent/ssf/event-type/stream-updated",
        }
    }
}
