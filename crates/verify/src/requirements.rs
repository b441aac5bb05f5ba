//! What a token needs beyond being good: roles and scopes.

use std::sync::Arc;

use crate::{Claims, Refused, Verifier};

/// What a call needs of the caller's token. Nothing, unless something is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requirements {
    /// Any one of these roles. Empty asks for none.
    pub roles: Vec<String>,
    /// Every one of these scopes.
    pub scopes: Vec<String>,
}

/// Why a caller may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denied {
    /// The token itself is not taken.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The token is good, and it lacks a role or a scope.
    #[error("the token lacks a role or a scope")]
    Forbidden,
}

impl Requirements {
    /// Nothing beyond a good token.
    pub const fn new() -> Self {
        Self { roles: Vec::new(), scopes: Vec::new() }
    }

    /// Takes callers with this role, beside those with a role that was named before.
    #[must_use]
    pub fn or_role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Asks for this scope, too.
    #[must_use]
    pub fn and_scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Whether these claims are enough. They have to come from [`Verifier::check`].
    pub fn are_met_by(&self, claims: &Claims) -> bool {
        (self.roles.is_empty() || self.roles.iter().any(|role| claims.has_role(role)))
            && self.scopes.iter().all(|scope| claims.has_scope(scope))
    }
}

impl Claims {
    /// Whether the user had this role when the token was made.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|has| has == role)
    }

    /// Whether the token allows this. A scope is one word; only spaces part words (RFC 6749 §3.3).
    pub fn has_scope(&self, scope: &str) -> bool {
        !scope.is_empty() && self.scope.split(' ').any(|has| has == scope)
    }
}

impl Verifier {
    /// Checks a token as [`check`](Self::check) does, and whether it has what a call needs. Nothing
    /// of the answer is remembered: another call with the same token may need something else.
    pub fn check_for(
        &self,
        token: &str,
        now_unix_seconds: i64,
        requirements: &Requirements,
    ) -> Result<Arc<Claims>, Denied> {
        let claims = self.check(token, now_unix_seconds)?;
        if requirements.are_met_by(&claims) { Ok(claims) } else { Err(Denied::Forbidden) }
    }
}
