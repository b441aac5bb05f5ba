//! What operators can ask for, here or in a running server.

mod notifications;
mod people;
mod roles;
mod transfer;
mod webhooks;

use crate::rewrap;
use anyhow::{Context as _, Result};
use auth::{Auth, ImportBatch, ImportOptions};
use kernel::UserId;
use notify::Notify;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signals::service_token;
use signals::{ReceiverStream, ServiceName, Signals, TokenKind};
use users::{Account, Authority, EmailAddress, Party, Reason, StatusChange};

use people::find;

pub use notifications::NotificationsWords;
pub use roles::RolesWords;
pub use transfer::Page;
pub use webhooks::WebhooksWords;

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
    /// Give an account one role more.
    GrantRole {
        /// The address.
        email: String,
        /// The role.
        role: String,
    },
    /// Take a role from an account.
    RevokeRole {
        /// The address.
        email: String,
        /// The role.
        role: String,
    },
    /// Look at, make, change and delete roles.
    Roles {
        /// What to do with which.
        words: RolesWords,
    },
    /// Show the token with which a person confirms the address that they asked for.
    EmailLink {
        /// The address that the account has now.
        email: String,
    },
    /// List accounts.
    ListUsers {
        /// The filter, by the names of the API.
        filter: Vec<(String, String)>,
        /// The order.
        sort: String,
        /// Where the page before ended.
        cursor: Option<String>,
        /// How many.
        limit: u32,
    },
    /// Make an account without a password.
    CreateUser {
        /// Its address.
        email: String,
        /// What its owner calls themselves.
        name: Option<String>,
        /// The language its owner reads.
        locale: Option<String>,
        /// Its roles.
        roles: Vec<String>,
    },
    /// Invite somebody.
    InviteUser {
        /// Their address.
        email: String,
        /// What they call themselves.
        name: Option<String>,
        /// The language they read.
        locale: Option<String>,
        /// Their roles.
        roles: Vec<String>,
    },
    /// Withdraw an invitation.
    WithdrawInvitation {
        /// The address.
        email: String,
    },
    /// Forget the failures that locked an account.
    UnlockUser {
        /// The address.
        email: String,
    },
    /// End every session of an account.
    SignOutUser {
        /// The address.
        email: String,
    },
    /// Destroy what an account says of a person.
    EraseUser {
        /// The address.
        email: String,
        /// The address once more.
        confirm: String,
    },
    /// Say how far a file was imported.
    BeginImport {
        /// Its digest.
        file: [u8; 32],
        /// What it is.
        source: String,
        /// Whether nothing is to be written.
        dry_run: bool,
    },
    /// Write rows of a file.
    ImportBatch {
        /// How.
        options: ImportOptions,
        /// The rows.
        batch: Box<ImportBatch>,
    },
    /// Show a page of accounts.
    ExportPage {
        /// The filter, by the names of the API.
        filter: Vec<(String, String)>,
        /// The last account of the page before.
        after: Option<UserId>,
        /// Whether the hashes of passwords go along.
        with_password_hashes: bool,
    },
    /// Record that accounts were written to a file.
    EndExport {
        /// How many they were.
        accounts: u64,
        /// Whether a filter chose them.
        filtered: bool,
        /// Whether the hashes of passwords went along.
        with_password_hashes: bool,
    },
    /// Show the signing keys.
    ListKeys,
    /// Make a new signing key.
    RotateKeys,
    /// Wrap what is sealed with the master key of today: one round of it.
    RewrapKeys {
        /// After whom the round begins.
        after: Option<UserId>,
    },
    /// Take a signing key back at once.
    WithdrawKey {
        /// Its id.
        kid: String,
        /// Why.
        reason: String,
    },
    /// Make a service's token.
    CreateService {
        /// What it is for.
        kind: TokenKind,
        /// What the service is called.
        name: String,
        /// What a receiver's tokens are for.
        audience: Option<String>,
    },
    /// Show the services that have tokens.
    ListServices {
        /// Of which kind.
        kind: TokenKind,
    },
    /// Something with what people are told.
    Notifications {
        /// What.
        words: NotificationsWords,
    },
    /// Something with webhooks.
    Webhooks {
        /// What.
        words: WebhooksWords,
    },
    /// Take a service's token back.
    RevokeService {
        /// Of which kind.
        kind: TokenKind,
        /// What the service is called.
        name: String,
    },
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
pub async fn execute(auth: &Auth, signals: &Signals, notify: &Notify, command: Command) -> Result<Output> {
    match command {
        Command::CreateAdministrator { email, password } => create_administrator(auth, &email, password).await,
        Command::ShowUser { email } => people::show(auth, &email).await,
        Command::SuspendUser { email, reason } => {
            change(auth, &email, StatusChange::Suspend { until: None }, &reason).await
        }
        Command::ReinstateUser { email } => change(auth, &email, StatusChange::Reinstate, "").await,
        Command::DeleteUser { email, reason } => change(auth, &email, StatusChange::Delete, &reason).await,
        Command::RestoreUser { email } => change(auth, &email, StatusChange::Restore, "").await,
        Command::GrantRole { email, role } => roles::grant(auth, &email, &role).await,
        Command::RevokeRole { email, role } => roles::revoke(auth, &email, &role).await,
        Command::Roles { words } => roles::execute(auth, words).await,
        Command::Notifications { words } => notifications::execute(notify, words).await,
        Command::Webhooks { words } => webhooks::execute(notify, words).await,
        Command::EmailLink { email } => email_link(auth, &email).await,
        Command::ListUsers { filter, sort, cursor, limit } => {
            people::list(auth, filter, &sort, cursor.as_deref(), limit).await
        }
        Command::CreateUser { email, name, locale, roles } => {
            let (name, locale) = (name.as_deref(), locale.as_deref());
            people::create(auth, people::New { email: &email, name, locale, roles: &roles }).await
        }
        Command::InviteUser { email, name, locale, roles } => {
            let (name, locale) = (name.as_deref(), locale.as_deref());
            people::invite(auth, people::New { email: &email, name, locale, roles: &roles }).await
        }
        Command::WithdrawInvitation { email } => people::withdraw(auth, &email).await,
        Command::UnlockUser { email } => people::unlock(auth, &email).await,
        Command::SignOutUser { email } => people::sign_out(auth, &email).await,
        Command::EraseUser { email, confirm } => people::erase(auth, &email, &confirm).await,
        Command::BeginImport { file, source, dry_run } => transfer::begin(auth, &file, &source, dry_run).await,
        Command::ImportBatch { options, batch } => transfer::write(auth, options, *batch).await,
        Command::ExportPage { filter, after, with_password_hashes } => {
            transfer::page(auth, filter, after, with_password_hashes).await
        }
        Command::EndExport { accounts, filtered, with_password_hashes } => {
            transfer::end_export(auth, accounts, filtered, with_password_hashes).await
        }
        Command::ListKeys => Ok(keys(auth)),
        Command::RotateKeys => {
            auth.keys().rotate(Authority::Operator).await?;
            Ok(keys(auth))
        }
        Command::RewrapKeys { after } => rewrap::round(auth, signals, notify, after).await,
        Command::WithdrawKey { kid, reason } => withdraw(auth, &kid, &reason).await,
        Command::CreateService { kind, name, audience } => create_service(signals, kind, &name, audience).await,
        Command::ListServices { kind: TokenKind::Verifier } => list_verifiers(signals).await,
        Command::ListServices { kind: TokenKind::Receiver } => list_receivers(signals).await,
        Command::ListServices { kind: TokenKind::Sender } => list_senders(signals).await,
        Command::RevokeService { kind, name } => {
            service_token::revoke(signals, kind, &ServiceName::parse(&name)?).await?;
            Ok(Output { text: format!("The token of {name} is not taken any more."), data: json!({ "name": name }) })
        }
    }
}

async fn create_administrator(auth: &Auth, email: &str, password: String) -> Result<Output> {
    let email = EmailAddress::parse(email)?;
    let new = auth::NewAccount { email, password, name: None, locale: None };
    let account = auth::create_administrator(auth, new).await?;
    Ok(Output {
        text: format!("Made the administrator {}.", account.email.as_str()),
        data: serde_json::to_value(auth.users().view(&account, Party::Officers).await?)?,
    })
}

async fn email_link(auth: &Auth, email: &str) -> Result<Output> {
    let account = find(auth, email).await?;
    let link = auth::pending_link(auth, &account).await?;
    let auth::PendingLink { email: new, token, expires_at } =
        link.with_context(|| format!("{email} did not ask for another address in the last hour"))?;
    let link = format!("{}/account/email/confirm?token={token}", auth.settings().issuer);
    Ok(Output {
        text: format!("{new} becomes the address by this link, until {expires_at}:\n{link}\nIts token:\n{token}"),
        data: json!({ "email": new, "link": link, "token": token, "expires_at": expires_at }),
    })
}

async fn change(auth: &Auth, email: &str, change: StatusChange, reason: &str) -> Result<Output> {
    let reason = Reason::parse(reason)?;
    let account = find(auth, email).await?;
    users::change_status(auth.users(), Authority::Operator, account.id, change, &reason).await?;
    let account = find(auth, email).await?;
    Ok(Output {
        text: describe(&account),
        data: serde_json::to_value(auth.users().view(&account, Party::Officers).await?)?,
    })
}

fn describe(account: &Account) -> String {
    format!("{}  {}  {}  {}", account.id, account.email.as_str(), account.status.as_str(), account.roles.join(","))
}

fn keys(auth: &Auth) -> Output {
    let keys = auth.keys().list();
    let line = |key: &auth::keys::KeyInfo| {
        format!("{}  {}  {:9}  signs from {}", key.id, key.algorithm.name(), key.state, key.signs_from)
    };
    let data = keys.iter().map(|key| {
        json!({ "kid": key.id, "alg": key.algorithm.name(), "state": key.state,
                "created_at": key.created_at, "signs_from": key.signs_from })
    });
    Output { text: keys.iter().map(line).collect::<Vec<_>>().join("\n"), data: data.collect() }
}

async fn withdraw(auth: &Auth, kid: &str, reason: &str) -> Result<Output> {
    let reason = Reason::parse(reason)?;
    let kid = kid.parse().with_context(|| format!("`{kid}` is not the id of a key: `usher keys list` shows them"))?;
    auth.keys().withdraw(kid, Authority::Operator, &reason).await?;
    Ok(keys(auth))
}

async fn create_service(signals: &Signals, kind: TokenKind, name: &str, audience: Option<String>) -> Result<Output> {
    let name = ServiceName::parse(name)?;
    let (service, token) = service_token::create(signals, kind, &name, audience.as_deref()).await?;
    Ok(Output {
        // Alone on its line, so that a script can take it as it is.
        text: token.reveal().to_owned(),
        data: json!({ "id": service.id, "name": service.name, "token": token.reveal() }),
    })
}

/// With how far each has come, as far as this process has heard.
async fn list_verifiers(signals: &Signals) -> Result<Output> {
    let services = service_token::list(signals, TokenKind::Verifier).await?;
    let heard = signals.verifiers();
    let newest = signals.newest();
    let mut lines = Vec::new();
    let mut data = Vec::new();
    for service in &services {
        let known = heard.iter().find(|known| known.id == service.id);
        let connections = known.map_or(0, |known| known.connections);
        let applied = known.and_then(|known| known.applied);
        let behind = applied.zip(newest).map(|((applied, _), newest)| newest.saturating_sub(applied).max(0));
        let state = match (connections, behind, applied) {
            (0, _, None) => "not heard of here".to_owned(),
            (_, Some(behind), Some((applied, ago))) => {
                format!("{connections} listening, applied {applied} ({behind} behind) {ago} s ago")
            }
            (_, _, _) => format!("{connections} listening"),
        };
        lines.push(format!("{}  {}  made {}  {state}", service.id, service.name, service.created_at));
        data.push(json!({
            "id": service.id, "name": service.name, "audience": service.audience, "created_at": service.created_at,
            "connections": connections, "applied": applied.map(|(applied, _)| applied), "behind": behind,
        }));
    }
    Ok(Output { text: lines.join("\n"), data: Value::Array(data) })
}

async fn list_senders(signals: &Signals) -> Result<Output> {
    let services = service_token::list(signals, TokenKind::Sender).await?;
    let mut lines: Vec<String> =
        services.iter().map(|service| format!("{}, since {}", service.name, service.created_at)).collect();
    if lines.is_empty() {
        lines.push("There are no senders.".into());
    }
    let data = services.iter().map(|service| json!({ "name": service.name, "created_at": service.created_at }));
    Ok(Output { text: lines.join("\n"), data: data.collect() })
}

/// With the stream that each has made, which is the same in every process.
async fn list_receivers(signals: &Signals) -> Result<Output> {
    let services = service_token::list(signals, TokenKind::Receiver).await?;
    let streams = signals.receiver_streams().await?;
    let mut lines = Vec::new();
    let mut data = Vec::new();
    for service in &services {
        let stream = streams.iter().find(|stream| stream.receiver == service.id);
        let state = stream.map_or_else(|| "no stream yet".to_owned(), describe_stream);
        lines.push(format!("{}  {}  made {}  {state}", service.id, service.name, service.created_at));
        data.push(json!({
            "id": service.id, "name": service.name, "audience": service.audience, "created_at": service.created_at,
            "stream": stream.map(|stream| json!({
                "status": stream.status, "pushed": stream.is_pushed, "failures": stream.failures,
                "waiting": stream.waiting,
            })),
        }));
    }
    Ok(Output { text: lines.join("\n"), data: Value::Array(data) })
}

fn describe_stream(stream: &ReceiverStream) -> String {
    let ReceiverStream { status, waiting, failures, .. } = stream;
    let delivery = if stream.is_pushed { "pushed" } else { "polled" };
    let failing = if *failures == 0 { String::new() } else { format!(", {failures} failures in a row") };
    format!("{status}, {delivery}, {waiting} waiting{failing}")
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use kernel::id::ServiceTokenId;

    use super::*;

    #[test]
    fn a_receivers_stream_is_told_in_a_few_words() {
        let receiver = ServiceTokenId::new(Timestamp::from_unix_seconds(1_795_000_000));
        let mut stream =
            ReceiverStream { receiver, status: "paused".into(), is_pushed: false, failures: 0, waiting: 12 };
        assert_eq!(describe_stream(&stream), "paused, polled, 12 waiting");
        (stream.is_pushed, stream.failures) = (true, 3);
        assert_eq!(describe_stream(&stream), "paused, pushed, 12 waiting, 3 failures in a row");
    }
}
