//! Tunnels: what a WebSocket is after both sides have agreed on it.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;

use super::StillTrusted;
use super::guard::trust_ends;
use super::member::Place;
use crate::patient::{Patient, SILENCE};

/// Joins both sides in a task of its own until one closes, nothing moves for too long, the client is
/// no longer trusted, or the program stops.
pub(super) fn join(
    client: OnUpgrade,
    upstream: OnUpgrade,
    place: Place,
    still_trusted: Option<StillTrusted>,
    mut stopping: watch::Receiver<bool>,
) {
    tokio::spawn(async move {
        let _place = place;
        let (client, upstream) = match tokio::try_join!(client, upstream) {
            Ok(sides) => sides,
            Err(error) => {
                tracing::debug!(%error, "a tunnel was agreed on and did not come about");
                return;
            }
        };
        let mut client = TokioIo::new(client);
        let mut upstream = Patient::new(TokioIo::new(upstream), SILENCE);
        tokio::select! {
            copied = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {
                if let Err(error) = copied {
                    tracing::debug!(%error, "a tunnel ended badly");
                }
            }
            () = trust_ends(still_trusted) => tracing::debug!("a tunnel was cut: its user is no longer trusted"),
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    });
}
