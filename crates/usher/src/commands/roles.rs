//! `usher roles …`, and giving roles to accounts: `usher users grant` and `usher users revoke`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use auth::Auth;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;
use users::api::RoleView;
use users::roles::{self, Role};
use users::{Authority, Includes, NewRole, OwnPermissions, Party, RoleChange, RoleDescription, RoleName, Roles};

use super::{Output, describe, find};

/// How many roles are read at once.
const PAGE: u32 = 200;

/// What can be done with roles.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum RolesWords {
    /// Show all roles
    List,
    /// Show one role, and what it comes to
    Show {
        /// What it is called
        name: String,
    },
    /// Make a role
    Create {
        /// What to call it: 1 to 64 of a-z, 0-9, : _ -
        name: String,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
        /// A permission that it has, like quiz:author; can stand several times
        #[arg(long = "permission", value_name = "PERMISSION")]
        permissions: Vec<String>,
        /// A role whose permissions it has as well; can stand several times
        #[arg(long = "include", value_name = "ROLE")]
        includes: Vec<String>,
    },
    /// Change a role: it takes effect at once for everybody who holds it
    Change {
        /// What it is called
        name: String,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        /// A permission to add; can stand several times
        #[arg(long = "add", value_name = "PERMISSION")]
        add: Vec<String>,
        /// A permission to remove; can stand several times
        #[arg(long = "remove", value_name = "PERMISSION")]
        remove: Vec<String>,
        /// A role to include; can stand several times
        #[arg(long = "include", value_name = "ROLE")]
        include: Vec<String>,
        /// A role to include no longer; can stand several times
        #[arg(long = "exclude", value_name = "ROLE")]
        exclude: Vec<String>,
    },
    /// Delete a role that nobody holds and no other role includes
    Delete {
        /// What it is called
        name: String,
    },
}

/// Does it.
pub async fn execute(auth: &Auth, words: RolesWords) -> Result<Output> {
    let users = auth.users();
    match words {
        RolesWords::List => list(auth).await,
        RolesWords::Show { name } => shown(read(auth, &name).await?.1),
        RolesWords::Create { name, description, permissions, includes } => {
            let new = NewRole {
                name: RoleName::parse(&name)?,
                description: RoleDescription::parse(&description)?,
                permissions: OwnPermissions::parse(&permissions)?,
                includes: Includes::parse(&includes)?,
            };
            shown(users::create_role(users, Authority::Operator, &new).await?)
        }
        RolesWords::Change { name, description, add, remove, include, exclude } => {
            let (name, current) = read(auth, &name).await?;
            let permissions = with_changes(&current.permissions, add, &remove)?;
            let includes = with_changes(&current.includes, include, &exclude)?;
            let change = RoleChange {
                description: description.map(|typed| RoleDescription::parse(&typed)).transpose()?,
                permissions: permissions.map(|names| OwnPermissions::parse(&names)).transpose()?,
                includes: includes.map(|names| Includes::parse(&names)).transpose()?,
            };
            let version = Some(current.version);
            shown(users::update_role(users, Authority::Operator, &name, &change, version).await?)
        }
        RolesWords::Delete { name } => {
            let name = RoleName::parse(&name)?;
            users::delete_role(users, Authority::Operator, &name, None).await?;
            let name = name.as_str();
            Ok(Output { text: format!("Deleted the role {name}."), data: json!({ "name": name }) })
        }
    }
}

/// Gives an account one role more.
pub async fn grant(auth: &Auth, email: &str, role: &str) -> Result<Output> {
    change(auth, email, |roles| {
        if !roles.iter().any(|had| had == role) {
            roles.push(role.to_owned());
        }
    })
    .await
}

/// Takes a role from an account.
pub async fn revoke(auth: &Auth, email: &str, role: &str) -> Result<Output> {
    if role == users::account::USER {
        bail!("everybody has the role `{role}`");
    }
    let account = find(auth, email).await?;
    if !account.roles.iter().any(|had| had == role) {
        bail!("{} does not have the role `{role}`", account.email.as_str());
    }
    change(auth, email, |roles| roles.retain(|had| had != role)).await
}

async fn change(auth: &Auth, email: &str, change: impl FnOnce(&mut Vec<String>)) -> Result<Output> {
    let account = find(auth, email).await?;
    let mut roles = account.roles.clone();
    change(&mut roles);
    let roles = Roles::parse(&roles)?;
    let version = Some(account.version);
    let changed = users::change_roles(auth.users(), Authority::Operator, account.id, &roles, version).await?;
    let view = auth.users().view(&changed, Party::Officers).await?;
    Ok(Output { text: describe(&changed), data: serde_json::to_value(view)? })
}

async fn read(auth: &Auth, name: &str) -> Result<(RoleName, Role)> {
    let name = RoleName::parse(name)?;
    let found = roles::find(auth.users(), name.as_str()).await?;
    let role = found.with_context(|| format!("there is no role `{}`: `usher roles list` shows them", name.as_str()))?;
    Ok((name, role))
}

/// The list with some added and some removed; nothing if it stays as it is. What is to be removed has to be
/// there: a slip would look as if it was done.
fn with_changes(list: &[String], add: Vec<String>, remove: &[String]) -> Result<Option<Vec<String>>> {
    if add.is_empty() && remove.is_empty() {
        return Ok(None);
    }
    let mut names: BTreeSet<String> = list.iter().cloned().collect();
    for name in remove {
        if !names.remove(name) {
            bail!("the role does not have `{name}`");
        }
    }
    names.extend(add);
    Ok(Some(names.into_iter().collect()))
}

async fn list(auth: &Auth) -> Result<Output> {
    let mut lines = Vec::new();
    let mut data = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = roles::list(auth.users(), after.as_deref(), PAGE).await?;
        after = page.last().map(|role| role.name.clone());
        let is_last = page.len() < PAGE as usize;
        for role in page {
            let names = role.effective.names().join(" ");
            lines.push(format!("{:24} {:>5} accounts  {names}", role.name, holders(&role)));
            data.push(serde_json::to_value(RoleView::from(role))?);
        }
        if is_last {
            return Ok(Output { text: lines.join("\n"), data: data.into() });
        }
    }
}

fn holders(role: &Role) -> String {
    let most = users::role_record::HOLDERS_COUNTED;
    if role.holders < most { role.holders.to_string() } else { format!("{most}+") }
}

fn shown(role: Role) -> Result<Output> {
    let list = |names: &[String]| if names.is_empty() { "-".to_owned() } else { names.join(" ") };
    let text = format!(
        "{}{}\n  {}\n  permissions: {}\n  includes:    {}\n  comes to:    {}\n  accounts:    {}",
        role.name,
        if role.built_in { " (built in)" } else { "" },
        if role.description.is_empty() { "-" } else { &role.description },
        list(&role.permissions),
        list(&role.includes),
        list(&role.effective.names().into_iter().map(str::to_owned).collect::<Vec<String>>()),
        holders(&role),
    );
    Ok(Output { text, data: serde_json::to_value(RoleView::from(role))? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_removed_has_to_be_there() {
        let list = owned(&["a:a", "b:b"]);
        assert_eq!(with_changes(&list, Vec::new(), &[]).unwrap(), None);
        assert_eq!(with_changes(&list, owned(&["c:c"]), &owned(&["a:a"])).unwrap(), Some(owned(&["b:b", "c:c"])));
        assert!(with_changes(&list, Vec::new(), &owned(&["c:c"])).is_err());
    }
}
