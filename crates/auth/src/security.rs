//! How an account is kept: for whoever looks after it.

use storage::Result;
use users::Account;

use crate::Auth;
use crate::attempts::{self, Lock};
use crate::credential::{self, PasswordFacts};

/// How an account is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// What can be said of its password; nothing if it has none.
    pub password: Option<PasswordFacts>,
    /// What keeps people from trying passwords now.
    pub locks: Vec<Lock>,
}

/// How this account is kept.
pub async fn security(auth: &Auth, account: &Account) -> Result<Security> {
    let mut read = auth.db().read().await?;
    Ok(Security {
        password: credential::facts(&mut read, account.id).await?,
        locks: attempts::locks(&mut read, auth, account.email.canonical()).await?,
    })
}
