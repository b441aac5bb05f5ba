//! `usher keys rewrap`: wrapping everything that is sealed with the master key of today, round by round, so that an
//! older one can be thrown away.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it tells the operator how far it is")]

use anyhow::{Context as _, Result, bail};
use auth::Auth;
use kernel::UserId;
use notify::Notify;
use serde_json::json;
use signals::Signals;

use crate::commands::{Command, Output};
use crate::config::Checked;
use crate::control;

/// One round. The first also takes the keys that are not people's.
pub async fn round(auth: &Auth, signals: &Signals, notify: &Notify, after: Option<UserId>) -> Result<Output> {
    let mut keys = 0;
    if after.is_none() {
        keys = auth.keys().rewrap().await?;
        let signals = signals.rewrap().await?;
        keys += signals.context("a key for Shared Signals does not open: name the master key that sealed it, too")?;
        keys += notify.rewrap().await?.context(
            "the secret of a webhook, or what a job is to say, does not open: name the master key that sealed it, too",
        )?;
    }
    let people = users::personal::rewrap(auth.users(), after).await?;
    let passwords = match people.next {
        Some(_) => 0,
        None => auth::passwords_of_older_keys(auth).await?,
    };
    let data = json!({
        "keys": keys, "people": people.done, "failed": people.failed, "next": people.next, "passwords": passwords,
    });
    Ok(Output { text: String::new(), data })
}

/// Round after round, in the running server if there is one, until nothing is left.
pub async fn run(checked: &Checked, as_json: bool) -> Result<()> {
    let (mut people, mut keys, mut failed) = (0, 0, 0);
    let mut after: Option<UserId> = None;
    let passwords = loop {
        let command = Command::RewrapKeys { after };
        let output = match control::ask(&checked.config.data_dir, &command).await? {
            Some(output) => output,
            None => crate::setup::execute(checked, command).await?,
        };
        let count = |name: &str| output.data[name].as_u64().unwrap_or(0);
        people += count("people");
        keys += count("keys");
        failed += count("failed");
        after = serde_json::from_value(output.data["next"].clone()).context("the running server is another version")?;
        if after.is_none() {
            break count("passwords");
        }
        eprint!("\r{people} people's keys are wrapped anew");
    };
    eprintln!("\r{people} people's keys are wrapped anew");
    if as_json {
        println!("{}", json!({ "people": people, "keys": keys, "failed": failed, "passwords": passwords }));
    } else {
        println!("Wrapped anew: the keys of {people} people, and {keys} other keys.");
        if passwords > 0 {
            println!(
                "{passwords} passwords were hashed with an older master key. Keep it until their owners have signed in: \
                 without it they need new passwords."
            );
        }
    }
    if failed > 0 {
        bail!("the keys of {failed} people do not open: name the master key that wrapped them, too, and do it again");
    }
    Ok(())
}
