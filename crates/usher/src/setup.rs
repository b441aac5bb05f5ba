//! Opening what every command needs: folder, master key, database, services.

use anyhow::{Context as _, Result, bail};
use auth::Auth;
use kernel::{Clock, MasterKeys};
use notify::Notify;
use signals::Signals;
use storage::{Db, Migration};
use users::Users;

use crate::commands::{self, Command, Output};
use crate::config::Checked;

/// The tables of all crates, in the order in which they refer to each other.
pub fn migrations() -> Vec<Migration> {
    [storage::MIGRATIONS, users::MIGRATIONS, auth::MIGRATIONS, signals::MIGRATIONS, notify::MIGRATIONS].concat()
}

/// What to do where there is no database yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Make it.
    Make,
    /// Say so: the command was most likely given in another folder than was meant.
    Refuse,
}

/// What every command works with.
pub struct Opened {
    /// Who signs in.
    pub auth: Auth,
    /// Which services are told.
    pub signals: Signals,
    /// Who tells people.
    pub notify: Notify,
    /// What everything secret is derived from.
    pub master: MasterKeys,
}

/// Opens the database and the services.
pub async fn open(checked: &Checked, issuer: String, absent: Absent) -> Result<Opened> {
    open_as(checked, issuer, absent, checked.database()).await
}

/// Opens them where very much is to be written, and nobody served.
pub async fn open_for_bulk(checked: &Checked, issuer: String, absent: Absent) -> Result<Opened> {
    open_as(checked, issuer, absent, checked.database().for_bulk()).await
}

async fn open_as(checked: &Checked, issuer: String, absent: Absent, database: storage::Settings) -> Result<Opened> {
    if absent == Absent::Refuse && !checked.has_database() {
        bail!("there is no database in {}: name the folder with --data", checked.config.data_dir);
    }
    checked.make_data_dir()?;
    let found = checked.master_keys()?;
    let db = Db::open(&database, &migrations(), checked.config.database.migrate).await?;
    let master = match found {
        Some(master) => master,
        None if auth::keys::exist(&db).await? => bail!(
            "{} is missing, and the database was made with it: put it back from where you keep it. Without it no \
             password and no key in the database can be used",
            checked.master_key_file().display()
        ),
        None => checked.make_master_keys()?,
    };
    let users = Users::open(db, Clock::system(), checked.user_settings(issuer.clone())?, &master).await?;
    let notify =
        Notify::new(users.clone(), checked.notify_settings(&issuer)?, &master).context("`notify.templates`")?;
    let auth = Auth::new(users, checked.auth_settings(issuer), &master).await?;
    Ok(Opened { signals: Signals::new(auth.clone(), &master), auth, notify, master })
}

/// Brings the database up to date.
pub async fn migrate(checked: &Checked) -> Result<()> {
    checked.make_data_dir()?;
    Db::open(&checked.database(), &migrations(), true).await?.close().await;
    Ok(())
}

/// Does a command without a server.
pub async fn execute(checked: &Checked, command: Command) -> Result<Output> {
    let absent = if matches!(command, Command::CreateAdministrator { .. }) { Absent::Make } else { Absent::Refuse };
    let Opened { auth, signals, notify, .. } = open(checked, checked.public_url(checked.listen), absent).await?;
    let output = commands::execute(&auth, &signals, &notify, command).await;
    auth.db().close().await;
    output
}
