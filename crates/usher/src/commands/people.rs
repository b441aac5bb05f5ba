//! Looking after accounts from the command line.

use anyhow::{Context as _, Result, anyhow, bail};
use auth::Auth;
use comfy_table::{ContentArrangement, Table};
use kernel::{FieldError, Timestamp};
use serde_json::{Value, json};
use users::search::{Cursor, Filter, RawFilter, Sort};
use users::{
    Account, Authority, DisplayName, EmailAddress, Locale, NewAccount, NewProfile, Party, ProfileChange, Roles,
};

use super::Output;
use crate::import::plain;

/// The most accounts in one list.
const MOST: u32 = 1000;

/// The account with this address or this id.
pub async fn find(auth: &Auth, who: &str) -> Result<Account> {
    let mut read = auth.db().read().await?;
    let found = if let Ok(id) = who.parse() {
        users::account::find(&mut read, id).await?
    } else {
        users::account::find_by_email(&mut read, &EmailAddress::parse(who)?).await?
    };
    found.with_context(|| format!("there is no account {}", plain(who)))
}

/// An account with its profile.
pub async fn show(auth: &Auth, who: &str) -> Result<Output> {
    let account = find(auth, who).await?;
    output(auth, &account, String::new()).await
}

async fn output(auth: &Auth, account: &Account, done: String) -> Result<Output> {
    let data = serde_json::to_value(auth.users().view(account, Party::Officers).await?)?;
    let text = if done.is_empty() { describe(&data) } else { done };
    Ok(Output { text, data })
}

/// A line for each field that says something.
fn describe(account: &Value) -> String {
    let fields = account.as_object().into_iter().flatten();
    let said = fields.filter_map(|(name, value)| {
        let shown = match value {
            Value::Null => return None,
            Value::Object(fields) if fields.is_empty() => return None,
            Value::String(text) => plain(text),
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(plain).collect::<Vec<_>>().join(", "),
            other => plain(&other.to_string()),
        };
        Some(format!("{name:<15}{shown}"))
    });
    said.collect::<Vec<_>>().join("\n")
}

/// Reads a filter. A part that no filter has is refused: it was meant to leave accounts out.
pub fn filter(auth: &Auth, mut pairs: Vec<(String, String)>) -> Result<Filter> {
    let raw = RawFilter::take(&mut pairs)?;
    if let Some((name, _)) = pairs.first() {
        bail!("a filter has no part `{}`", plain(name));
    }
    Filter::parse(auth.users(), &raw).map_err(|errors| wrong(&errors))
}

/// A page of the accounts that a filter wants.
pub async fn list(
    auth: &Auth,
    filter: Vec<(String, String)>,
    sort: &str,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Output> {
    let filter = self::filter(auth, filter)?;
    let sort = Sort::parse(sort).context("--sort is one of created_at, -created_at, email, name, last_login_at")?;
    let cursor = cursor.map(|text| Cursor::parse(text, &filter, sort)).transpose()?;
    let limit = limit.clamp(1, MOST);
    let mut found = users::search::search(auth.users(), &filter, sort, cursor.as_ref(), limit).await?;
    // A page may end early where few of many are wanted.
    while found.accounts.is_empty()
        && let Some(next) = &found.next
    {
        found = users::search::search(auth.users(), &filter, sort, Some(next), limit).await?;
    }
    let mut items = Vec::new();
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["email", "name", "status", "roles", "created", "last sign-in"]);
    for (account, view) in found.accounts.iter().zip(auth.users().views(&found.accounts, Party::Officers).await?) {
        table.add_row(row(account));
        items.push(serde_json::to_value(view)?);
    }
    let next = found.next.as_ref().map(Cursor::to_text);
    let mut text = if items.is_empty() { "No account is like that.".to_owned() } else { table.to_string() };
    if let Some(next) = &next {
        text.push_str("\nThere may be more: --cursor ");
        text.push_str(next);
    }
    Ok(Output { text, data: json!({"items": items, "next": next}) })
}

fn row(account: &Account) -> [String; 6] {
    let day = |at: Timestamp| at.to_string().chars().take(10).collect();
    [
        plain(account.email.as_str()),
        account.name.as_ref().map(|name| plain(name.as_str())).unwrap_or_default(),
        account.status.as_str().to_owned(),
        account.roles.join(" "),
        day(account.created_at),
        account.last_login_at.map(day).unwrap_or_default(),
    ]
}

fn wrong(errors: &[FieldError]) -> anyhow::Error {
    let said: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
    anyhow!(said.join("; "))
}

/// What a new account has.
pub struct New<'n> {
    /// Its address.
    pub email: &'n str,
    /// What its owner calls themselves.
    pub name: Option<&'n str>,
    /// The language its owner reads.
    pub locale: Option<&'n str>,
    /// Its roles.
    pub roles: &'n [String],
}

fn profile(new: &New<'_>) -> Result<NewProfile> {
    let locale = new.locale.map(|tag| Locale::parse(tag).context("--locale is a language tag like de or pt-BR"));
    Ok(NewProfile {
        account: NewAccount {
            email: EmailAddress::parse(new.email)?,
            email_verified: false,
            name: new.name.map(DisplayName::parse).transpose()?,
            locale: locale.transpose()?,
        },
        roles: Some(Roles::parse(new.roles)?),
        profile: ProfileChange::default(),
    })
}

/// Makes an account without a password.
pub async fn create(auth: &Auth, new: New<'_>) -> Result<Output> {
    let account = users::create_account(auth.users(), Authority::Operator, &profile(&new)?).await?;
    let done = format!("Made the account {}. It has no password yet.", plain(account.email.as_str()));
    output(auth, &account, done).await
}

/// Makes an account if there is none, and sends a link to choose its password. The link is shown as well: there may be no
/// mail provider, and whoever runs commands here could derive it.
pub async fn invite(auth: &Auth, new: New<'_>) -> Result<Output> {
    let found = users::account::find_by_email(&mut auth.db().read().await?, &EmailAddress::parse(new.email)?).await?;
    let (account, invitation) = match found {
        Some(account) if new.name.is_none() && new.locale.is_none() && new.roles.is_empty() => {
            let invitation = auth::invite_again(auth, Authority::Operator, account.id).await?;
            (account, invitation)
        }
        Some(_) => bail!("there is an account {}: say its address alone to invite it again", plain(new.email)),
        None => auth::invite(auth, Authority::Operator, &profile(&new)?).await?,
    };
    let link = auth::invitation_link(auth, &account).await?.context("the invitation was withdrawn at once")?;
    let (email, until) = (account.email.as_str(), invitation.expires_at);
    Ok(Output {
        text: format!("{} is invited. Until {until} they choose a password by this link:\n{link}", plain(email)),
        data: json!({"id": account.id, "email": email, "expires_at": until, "link": link}),
    })
}

/// Withdraws an invitation.
pub async fn withdraw(auth: &Auth, who: &str) -> Result<Output> {
    let account = find(auth, who).await?;
    auth::withdraw_invitation(auth, Authority::Operator, account.id).await?;
    let account = find(auth, &account.id.to_string()).await?;
    output(auth, &account, format!("The invitation of {} is withdrawn.", plain(account.email.as_str()))).await
}

/// Ends every session of an account.
pub async fn sign_out(auth: &Auth, who: &str) -> Result<Output> {
    let account = find(auth, who).await?;
    users::sign_out_everywhere(auth.users(), Authority::Operator, account.id).await?;
    output(auth, &account, format!("{} is signed out everywhere.", plain(account.email.as_str()))).await
}

/// Forgets the failures that locked an account.
pub async fn unlock(auth: &Auth, who: &str) -> Result<Output> {
    let account = find(auth, who).await?;
    auth::unlock(auth, Authority::Operator, account.id).await?;
    output(auth, &account, format!("{} may try again.", plain(account.email.as_str()))).await
}

/// Destroys what an account says of a person.
pub async fn erase(auth: &Auth, who: &str, confirmed: &str) -> Result<Output> {
    let account = find(auth, who).await?;
    if confirmed != account.email.as_str() && confirmed != account.id.to_string() {
        bail!("say the address of the account once more with --confirm: this cannot be undone");
    }
    auth::erase(auth, Authority::Operator, account.id).await?;
    let text = format!("What the account {} said of a person is gone.", account.id);
    Ok(Output { text, data: json!({"id": account.id, "erased": true}) })
}
