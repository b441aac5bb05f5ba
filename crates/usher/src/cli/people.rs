//! The words of `usher users`.

use clap::{Args, Subcommand};

use crate::commands::Command;

/// Look after accounts
#[derive(Subcommand)]
pub enum UsersWords {
    /// List accounts, with filters
    #[command(after_help = "Examples:
  usher users list --query ann
  usher users list --role admin --sort email
  usher users list --status suspended --json
  usher users list --created-after 2026-01-01T00:00:00Z --limit 200")]
    List(ListWords),
    /// Show one account
    #[command(after_help = "Example:
  usher users show ann@example.com")]
    Show(Who),
    /// Make an account without a password: its owner sets one
    #[command(after_help = "Example:
  usher users create --email ann@example.com --name 'Ann Lee' --role player")]
    Create {
        /// Its address
        #[arg(long)]
        email: String,
        /// What its owner calls themselves
        #[arg(long)]
        name: Option<String>,
        /// The language its owner reads, like de or pt-BR
        #[arg(long)]
        locale: Option<String>,
        /// A role; may be said more than once
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Invite somebody: makes the account if there is none, and sends a link to choose its password, again if need be
    #[command(after_help = "Examples:
  usher users invite ann@example.com --name 'Ann Lee' --role player
  usher users invite ann@example.com")]
    Invite {
        /// The address
        email: String,
        /// What they call themselves
        #[arg(long)]
        name: Option<String>,
        /// The language they read, like de or pt-BR: that of the mail
        #[arg(long)]
        locale: Option<String>,
        /// A role; may be said more than once
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Withdraw an invitation: its link ends, and the account, which nobody has used, is deleted
    #[command(after_help = "Example:
  usher users withdraw ann@example.com")]
    Withdraw(Who),
    /// Suspend an account: every session and token of it ends
    #[command(after_help = "Example:
  usher users ban ann@example.com --reason 'Spam, twice'")]
    Ban {
        #[command(flatten)]
        who: Who,
        /// Why, for the audit log
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Lift a suspension
    #[command(after_help = "Example:
  usher users unban ann@example.com")]
    Unban(Who),
    /// Let somebody sign in again who failed too often
    #[command(after_help = "Example:
  usher users unlock ann@example.com")]
    Unlock(Who),
    /// End every session and token of an account, and leave it as it is
    #[command(after_help = "Example:
  usher users sign-out ann@example.com")]
    SignOut(Who),
    /// Delete an account: every session and token of it ends, and it can be restored for 30 days
    #[command(after_help = "Example:
  usher users delete ann@example.com --reason 'Asked by mail'")]
    Delete {
        #[command(flatten)]
        who: Who,
        /// Why, for the audit log
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Bring a deleted account back
    #[command(after_help = "Example:
  usher users restore ann@example.com")]
    Restore(Who),
    /// Give an account one role more
    Grant {
        /// Its email
        email: String,
        /// The role
        role: String,
    },
    /// Take a role from an account
    Revoke {
        /// Its email
        email: String,
        /// The role
        role: String,
    },
    /// Show the token with which a person confirms the address that they asked for: give it to whoever reads
    /// mail there, and to nobody else
    EmailLink {
        /// The email that the account has now
        email: String,
    },
    /// Destroy what an account says of a person. It cannot be undone
    #[command(after_help = "Example:
  usher users erase ann@example.com --confirm ann@example.com")]
    Erase {
        #[command(flatten)]
        who: Who,
        /// Its address once more
        #[arg(long, value_name = "EMAIL")]
        confirm: String,
    },
}

/// Which account.
#[derive(Args)]
pub struct Who {
    /// Its address, or its id
    #[arg(value_name = "EMAIL")]
    who: String,
}

/// Which accounts.
#[derive(Args)]
pub struct FilterWords {
    /// What stands anywhere in the name or the address
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// Those with this role
    #[arg(long)]
    role: Option<String>,
    /// active, suspended or deleted [default: everybody but deleted]
    #[arg(long)]
    status: Option<String>,
    /// Whether the address is verified: true or false
    #[arg(long)]
    verified: Option<String>,
    /// Made at this moment or later
    #[arg(long, value_name = "TIME")]
    created_after: Option<String>,
    /// Made before this moment
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
    /// Signed in at this moment or later
    #[arg(long, value_name = "TIME")]
    last_login_after: Option<String>,
    /// Those with this telephone number
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// Those whose attribute is this; may be said more than once
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
    attributes: Vec<(String, String)>,
}

/// An attribute that can be searched, and what it has to be.
fn attribute(typed: &str) -> Result<(String, String), String> {
    let (name, value) = typed.split_once('=').ok_or("say NAME=VALUE")?;
    Ok((format!("attribute.{name}"), value.to_owned()))
}

impl FilterWords {
    /// The filter, by the names of the API.
    pub fn into_pairs(self) -> Vec<(String, String)> {
        let parts = [
            ("q", self.query),
            ("role", self.role),
            ("status", self.status),
            ("verified", self.verified),
            ("created_after", self.created_after),
            ("created_before", self.created_before),
            ("last_login_after", self.last_login_after),
            ("phone", self.phone),
        ];
        let said = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        said.chain(self.attributes).collect()
    }
}

/// Which accounts, in which order, and how many.
#[derive(Args)]
pub struct ListWords {
    #[command(flatten)]
    filter: FilterWords,
    /// `created_at`, `-created_at`, `email`, `name` or `last_login_at`
    #[arg(long, default_value = "-created_at", allow_hyphen_values = true)]
    sort: String,
    /// How many, at most 1,000
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Where the page before ended
    #[arg(long)]
    cursor: Option<String>,
}

/// The command that the words mean.
pub fn command(words: UsersWords) -> Command {
    match words {
        UsersWords::List(words) => list(words),
        UsersWords::Show(Who { who }) => Command::ShowUser { email: who },
        UsersWords::Create { email, name, locale, roles } => Command::CreateUser { email, name, locale, roles },
        UsersWords::Invite { email, name, locale, roles } => Command::InviteUser { email, name, locale, roles },
        UsersWords::Withdraw(Who { who }) => Command::WithdrawInvitation { email: who },
        UsersWords::Ban { who: Who { who }, reason } => Command::SuspendUser { email: who, reason },
        UsersWords::Unban(Who { who }) => Command::ReinstateUser { email: who },
        UsersWords::Unlock(Who { who }) => Command::UnlockUser { email: who },
        UsersWords::SignOut(Who { who }) => Command::SignOutUser { email: who },
        UsersWords::Delete { who: Who { who }, reason } => Command::DeleteUser { email: who, reason },
        UsersWords::Restore(Who { who }) => Command::RestoreUser { email: who },
        UsersWords::Grant { email, role } => Command::GrantRole { email, role },
        UsersWords::Revoke { email, role } => Command::RevokeRole { email, role },
        UsersWords::EmailLink { email } => Command::EmailLink { email },
        UsersWords::Erase { who: Who { who }, confirm } => Command::EraseUser { email: who, confirm },
    }
}

fn list(ListWords { filter, sort, limit, cursor }: ListWords) -> Command {
    Command::ListUsers { filter: filter.into_pairs(), sort, cursor, limit }
}
