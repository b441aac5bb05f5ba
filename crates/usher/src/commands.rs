//! What operators can ask for, here or in a running server.

use anyhow::{Context as _, Result, bail};
use auth::Auth;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use users::{Account, EmailAddress, StatusChange};

/// One request.
#[derive(Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Make an administrator.
    CreateAdministrator {
        /// The address.
        email: String,
        /// The password.
        password: String,
    },
    /// Show an account.
    ShowUser {
        /// The address.
        email: String,
    },
    /// Suspend an account.
    SuspendUser {
        /// The address.
        email: String,
        /// Why.
        reason: String,
    },
    /// Lift a suspension.
    ReinstateUser {
        /// The address.
        email: String,
    },
    /// Delete an account.
    DeleteUser {
        /// The address.
        email: String,
        /// Why.
        reason: String,
    },
    /// Bring a deleted account back.
    RestoreUser {
        /// The address.
        email: String,
    },
    /// Show the signing keys.
    ListKeys,
    /// Make a new signing key.
    RotateKeys,
}

/// What a command has to say.
#[derive(Serialize, Deserialize)]
pub struct Output {
    /// For people.
    pub text: String,
    /// For programs.
    pub data: Value,
}

/// Does it.
pub async fn execute(auth: &Auth, command: Command) -> Result<Output> {
    match command {
        Command::CreateAdministrator { email, password } => create_administrator(auth, &email, password).await,
        Command::ShowUser { email } => {
            let account = find(auth, &email).await?;
            Ok(Output { text: describe(&account), data: serde_json::to_value(users::api::UserView::from(&account))? })
        }
        Command::SuspendUser { email, reason } => change(auth, &email, StatusChange::Suspend, &reason).await,
        Command::ReinstateUser { email } => change(auth, &email, StatusChange::Reinstate, "").await,
        Command::DeleteUser { email, reason } => change(auth, &email, StatusChange::Delete, &reason).await,
        Command::RestoreUser { email } => change(auth, &email, StatusChange::Restore, "").await,
        Command::ListKeys => Ok(keys(auth)),
        Command::RotateKeys => {
            auth.keys().rotate().await?;
            Ok(keys(auth))
        }
    }
}

async fn create_administrator(auth: &Auth, email: &str, password: String) -> Result<Output> {
    let email = EmailAddress::parse(email)?;
    let new = auth::NewAccount { email, password, name: None, locale: None };
    let account = auth::create_administrator(auth, new).await?;
    Ok(Output {
        text: format!("Made the administrator {}.", account.email.as_str()),
        data: serde_json::to_value(users::api::UserView::from(&account))?,
    })
}

async fn find(auth: &Auth, email: &str) -> Result<Account> {
    let email = EmailAddress::parse(email)?;
    let found = users::account::find_by_email(&mut auth.db().read().await?, &email).await?;
    found.with_context(|| format!("there is no account {}", email.as_str()))
}

async fn change(auth: &Auth, email: &str, change: StatusChange, reason: &str) -> Result<Output> {
    if reason.chars().count() > 500 {
        bail!("the reason is longer than 500 characters");
    }
    let account = find(auth, email).await?;
    users::change_status(auth.users(), account.id, change, reason).await?;
    let account = find(auth, email).await?;
    Ok(Output { text: describe(&account), data: serde_json::to_value(users::api::UserView::from(&account))? })
}

fn describe(account: &Account) -> String {
    format!("{}  {}  {}  {}", account.id, account.email.as_str(), account.status.as_str(), account.roles.join(","))
}

fn keys(auth: &Auth) -> Output {
    let keys = auth.keys().list();
    let line = |key: &auth::keys::KeyInfo| {
        format!("{}  {}  {:8}  signs from {}", key.id, key.algorithm.name(), key.state, key.signs_from)
    };
    let data = keys.iter().map(|key| {
        json!({ "kid": key.id, "alg": key.algorithm.name(), "state": key.state,
                "created_at": key.created_at, "signs_from": key.signs_from })
    });
    Output { text: keys.iter().map(line).collect::<Vec<_>>().join("\n"), data: data.collect() }
}
