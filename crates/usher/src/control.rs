//! Commands for a running server, over a socket in its data folder that only its owner can open.
//!
//! SQLite belongs to one process at a time, so `usher keys rotate` beside a running server asks that
//! server. One line of JSON there, one line back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use auth::Auth;
use notify::Notify;
use serde::{Deserialize, Serialize};
use signals::Signals;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::commands::{self, Command, Output};

/// The longest request, in bytes: a batch of an import. Only the owner of the folder can send one.
const LONGEST: u64 = 16 << 20;
/// A command that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Serialize, Deserialize)]
enum Reply {
    Done(Output),
    Failed(String),
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// Asks the server that runs on this folder; nothing if there is none.
pub async fn ask(data_dir: impl AsRef<Path>, command: &Command) -> Result<Option<Output>> {
    let Ok(mut stream) = UnixStream::connect(path(data_dir.as_ref())).await else { return Ok(None) };
    let mut line = serde_json::to_string(command)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await.context("asking the running server")?;
    let mut answer = String::new();
    let mut reader = BufReader::new(stream);
    let read = tokio::time::timeout(PATIENCE, reader.read_line(&mut answer)).await;
    read.context("the running server does not answer")??;
    match serde_json::from_str(&answer).context("the running server closed the connection")? {
        Reply::Done(output) => Ok(Some(output)),
        Reply::Failed(cause) => Err(anyhow!(cause)),
    }
}

/// Listens for commands until the process ends.
pub fn listen(data_dir: impl AsRef<Path>, auth: Auth, signals: Signals, notify: Notify) -> Result<()> {
    let path = path(data_dir.as_ref());
    // A socket that is there is of a dead process, or of one that shares a PostgreSQL database with
    // this one: then either may answer.
    if path.exists() {
        std::fs::remove_file(&path).with_context(|| format!("removing the old {}", path.display()))?;
    }
    let listener = UnixListener::bind(&path).with_context(|| format!("listening on {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (auth, signals, notify) = (auth.clone(), signals.clone(), notify.clone());
                    tokio::spawn(async move {
                        if let Err(error) = answer(stream, &auth, &signals, &notify).await {
                            tracing::warn!(%error, "a control command could not be answered");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket failed");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    });
    Ok(())
}

async fn answer(stream: UnixStream, auth: &Auth, signals: &Signals, notify: &Notify) -> Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    BufReader::new(tokio::io::AsyncReadExt::take(reader, LONGEST)).read_line(&mut line).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(command) => match commands::execute(auth, signals, notify, command).await {
            Ok(output) => Reply::Done(output),
            Err(error) => Reply::Failed(format!("{error:#}")),
        },
        Err(error) => Reply::Failed(format!("not a command: {error}")),
    };
    let mut text = serde_json::to_string(&reply)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await?;
    Ok(())
}
