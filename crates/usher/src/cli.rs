//! The words of the command line.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line's face")]

mod people;
mod transfer;

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use signals::TokenKind;

use people::UsersWords;
use transfer::{ExportWords, ImportWords};

use crate::commands::{Command, NotificationsWords, Output, RolesWords, WebhooksWords};
use crate::config::{self, Config};
use crate::only::Only;
use crate::{control, serve};

/// Accounts, sessions and tokens for a product, in one program.
///
/// Without a command it is `usher serve`.
#[derive(Parser)]
#[command(name = "usher", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Words>,
}

#[derive(Args, Clone, Default)]
struct Options {
    /// The folder for everything: database and master key [default: ./usher-data]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// The address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", global = true)]
    listen: Option<String>,
    /// The address for metrics and details of health [default: 127.0.0.1:9080]
    #[arg(long, value_name = "ADDR", global = true)]
    private_listen: Option<String>,
    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Words {
    /// Run the server
    Serve {
        /// The services to run, with commas between: gateway, auth, users, pages, feed, notify [default: all]
        #[arg(long, value_name = "SERVICES")]
        only: Option<String>,
    },
    /// Make an administrator
    #[command(subcommand)]
    Admin(Admin),
    /// Suspend, delete and bring back accounts
    #[command(subcommand)]
    Users(UsersWords),
    /// Look at, make, change and delete roles
    #[command(subcommand)]
    Roles(RolesWords),
    /// See what people are told, and have it told again
    #[command(subcommand)]
    Notifications(NotificationsWords),
    /// Addresses that are told what happens: register, test, pause and remove them
    #[command(subcommand)]
    Webhooks(WebhooksWords),
    Import(ImportWords),
    Export(ExportWords),
    /// Look at and rotate the keys that sign tokens
    #[command(subcommand)]
    Keys(KeysWords),
    /// Tokens for services that check access tokens and follow the revocation feed
    #[command(subcommand)]
    Verifier(ServiceWords),
    /// Tokens for receivers of Shared Signals
    #[command(subcommand)]
    Receiver(ReceiverWords),
    /// Tokens for services that have messages sent to people
    #[command(subcommand)]
    Sender(SenderWords),
    /// Bring the database up to date and stop
    Migrate,
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigWords),
}

#[derive(Subcommand)]
enum Admin {
    /// Make an account with the role `admin`
    Create {
        /// Its email
        #[arg(long)]
        email: String,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Subcommand)]
enum KeysWords {
    /// Show the keys
    List,
    /// Make a new key: it is published now and signs in ten minutes
    Rotate,
    /// Wrap everything that is sealed with the newest master key, so that an older one can be thrown away: people's
    /// keys and those that sign. It goes on where it stopped
    Rewrap,
    /// Take a key back at once: everything that it signed is refused everywhere, and people refresh
    Withdraw {
        /// Its id, as `usher keys list` shows it
        kid: String,
        /// Why, for the audit log
        #[arg(long, default_value = "")]
        reason: String,
    },
}

#[derive(Subcommand)]
enum ServiceWords {
    /// Make a token for a service, and print it this once
    Create {
        /// What the service is called: 1 to 64 of a-z, 0-9, - _ .
        name: String,
    },
    /// Show the services, and how far each has followed
    List,
    /// Take a service's token back
    Revoke {
        /// What the service is called
        name: String,
    },
}

#[derive(Subcommand)]
enum SenderWords {
    /// Make a token for a service, and print it this once
    Create {
        /// What the service is called: 1 to 64 of a-z, 0-9, - _ .
        name: String,
    },
    /// Show the services
    List,
    /// Take a service's token back
    Revoke {
        /// What the service is called
        name: String,
    },
}

#[derive(Subcommand)]
enum ReceiverWords {
    /// Make a token for a receiver, and print it this once
    Create {
        /// What the receiver is called: 1 to 64 of a-z, 0-9, - _ .
        name: String,
        /// What its security event tokens are for (`aud`)
        #[arg(long, value_name = "URL")]
        audience: String,
    },
    /// Show the receivers
    List,
    /// Take a receiver's token back
    Revoke {
        /// What the receiver is called
        name: String,
    },
}

#[derive(Subcommand)]
enum ConfigWords {
    /// Say whether the configuration is good
    Check,
    /// Show every value, where it came from, and secrets masked
    Show,
}

/// Does what the words say.
pub fn run(cli: Cli) -> Result<()> {
    let Options { data, listen, private_listen, config, json } = cli.options;
    let flags = config::Flags { data, listen, private_listen };
    let file = config;
    let (config, sources) = config::load(file.as_deref(), &flags)?;
    match cli.command.unwrap_or(Words::Serve { only: None }) {
        Words::Serve { only } => {
            let only = Only::parse(only.as_deref())?;
            let checked = config.check()?;
            let threads = checked.config.server.threads;
            let reread = move || Ok(config::load(file.as_deref(), &flags)?.0.check()?.config);
            runtime(threads)?.block_on(serve::run(checked, only, &sources, Box::new(reread)))
        }
        Words::Admin(Admin::Create { email, password_stdin }) => {
            let password = read_password(password_stdin)?;
            execute(config, Command::CreateAdministrator { email, password }, json)
        }
        Words::Users(words) => execute(config, people::command(words), json),
        Words::Import(words) => transfer::import(config, words, json),
        Words::Export(words) => transfer::export(config, words, json),
        Words::Keys(KeysWords::List) => execute(config, Command::ListKeys, json),
        Words::Keys(KeysWords::Rotate) => execute(config, Command::RotateKeys, json),
        Words::Keys(KeysWords::Rewrap) => {
            let checked = config.check()?;
            runtime(1)?.block_on(crate::rewrap::run(&checked, json))
        }
        Words::Keys(KeysWords::Withdraw { kid, reason }) => execute(config, Command::WithdrawKey { kid, reason }, json),
        Words::Verifier(words) => execute(config, verifier(words), json),
        Words::Roles(words) => execute(config, Command::Roles { words }, json),
        Words::Notifications(words) => execute(config, Command::Notifications { words }, json),
        Words::Webhooks(words) => execute(config, Command::Webhooks { words }, json),
        Words::Receiver(words) => execute(config, receiver(words), json),
        Words::Sender(words) => execute(config, sender(words), json),
        Words::Migrate => {
            let checked = config.check()?;
            runtime(1)?.block_on(crate::setup::migrate(&checked))?;
            println!("The database is up to date.");
            Ok(())
        }
        Words::Config(ConfigWords::Check) => {
            config.check()?;
            println!("The configuration is good.");
            Ok(())
        }
        Words::Config(ConfigWords::Show) => {
            let shown = config::show(&config, &sources);
            if json {
                println!("{}", config::shown_as_json(&shown));
            } else {
                print!("{}", config::shown_as_text(&shown));
            }
            Ok(())
        }
    }
}

fn verifier(words: ServiceWords) -> Command {
    match words {
        ServiceWords::Create { name } => Command::CreateService { kind: TokenKind::Verifier, name, audience: None },
        ServiceWords::List => Command::ListServices { kind: TokenKind::Verifier },
        ServiceWords::Revoke { name } => Command::RevokeService { kind: TokenKind::Verifier, name },
    }
}

fn sender(words: SenderWords) -> Command {
    match words {
        SenderWords::Create { name } => Command::CreateService { kind: TokenKind::Sender, name, audience: None },
        SenderWords::List => Command::ListServices { kind: TokenKind::Sender },
        SenderWords::Revoke { name } => Command::RevokeService { kind: TokenKind::Sender, name },
    }
}

fn receiver(words: ReceiverWords) -> Command {
    match words {
        ReceiverWords::Create { name, audience } => {
            Command::CreateService { kind: TokenKind::Receiver, name, audience: Some(audience) }
        }
        ReceiverWords::List => Command::ListServices { kind: TokenKind::Receiver },
        ReceiverWords::Revoke { name } => Command::RevokeService { kind: TokenKind::Receiver, name },
    }
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        builder.worker_threads(threads);
    }
    builder.enable_all().thread_keep_alive(std::time::Duration::from_secs(5)).build().context("starting the runtime")
}

/// Does a command in the running server if there is one on this data folder, else right here.
fn execute(config: Config, command: Command, json: bool) -> Result<()> {
    let checked = config.check()?;
    let output: Output = runtime(1)?.block_on(async {
        match control::ask(&checked.config.data_dir, &command).await? {
            Some(output) => Ok(output),
            None => crate::setup::execute(&checked, command).await,
        }
    })?;
    if json {
        println!("{}", output.data);
    } else {
        println!("{}", output.text);
    }
    Ok(())
}

fn read_password(from_stdin: bool) -> Result<String> {
    let mut password = String::new();
    if from_stdin {
        std::io::stdin().take(4096).read_to_string(&mut password).context("reading the password")?;
    } else {
        password = rpassword::prompt_password("Password: ").context("reading the password")?;
    }
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        bail!("the password is empty");
    }
    Ok(password)
}

/// Says on standard error what went wrong, causes included, each once.
pub fn complain(error: &anyhow::Error) {
    let mut said: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if !said.iter().any(|before| before.contains(&cause)) {
            said.push(cause);
        }
    }
    eprintln!("usher: {}", said.join(": "));
}
