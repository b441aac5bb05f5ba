//! What a message is for. People choose by category what they want to hear, but for security.

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Who comes in, and what lets them: nobody can switch it off.
    Security,
    /// What somebody asked for, about their account.
    Account,
    /// What happens in an application.
    Product,
    /// What an operator wants to say.
    Marketing,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Security, Self::Account, Self::Product, Self::Marketing];

    /// Its name in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Account => "account",
            Self::Product => "product",
            Self::Marketing => "marketing",
        }
    }

    /// The category of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.as_str() == name)
    }

    /// Its place in the queue: what somebody waits for comes first.
    pub(crate) const fn urgency(self) -> i64 {
        match self {
            Self::Security | Self::Account => 0,
            Self::Product | Self::Marketing => 1,
        }
    }
}
