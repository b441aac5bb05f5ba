//! Room for connections, and how much of it one network of clients may take.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::{Network, is_trusted};
use crate::limits::network_of;

/// The places for connections.
pub(super) struct Places {
    room: Arc<Semaphore>,
    /// How many one network may have: an IPv4 address, or an IPv6 network of 64 bits.
    share: usize,
    /// Who may have all of them.
    proxies: Vec<Network>,
    taken: Mutex<HashMap<u128, usize>>,
}

/// Room for one more connection, of whomever.
pub(super) struct Free(OwnedSemaphorePermit);

/// One connection's place, until it is dropped.
pub(crate) struct Place {
    _room: OwnedSemaphorePermit,
    network: u128,
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(all: usize, share: usize, proxies: Vec<Network>) -> Arc<Self> {
        Arc::new(Self { room: Arc::new(Semaphore::new(all)), share, proxies, taken: Mutex::default() })
    }

    /// Waits until there is room.
    pub(super) async fn free(&self) -> Option<Free> {
        self.room.clone().acquire_owned().await.ok().map(Free)
    }

    /// Gives the room to this client, if its network has less than its share.
    pub(super) fn take(self: &Arc<Self>, free: Free, client: IpAddr) -> Option<Place> {
        let network = network_of(client);
        let has_a_share = !is_trusted(client, &self.proxies);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(network).or_default();
        if has_a_share && *count >= self.share {
            return None;
        }
        *count += 1;
        Some(Place { _room: free.0, network, places: self.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            // What nobody has any more is forgotten, or the map would grow with every address ever seen.
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn take(places: &Arc<Places>, client: &str) -> Option<Place> {
        let free = places.free().await.unwrap();
        places.take(free, client.parse().unwrap())
    }

    #[tokio::test]
    async fn g6_one_network_gets_its_share_and_no_more() {
        let places = Places::new(8, 2, Vec::new());
        for clients in
            [["192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"], ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:1"]]
        {
            let held = [take(&places, clients[0]).await, take(&places, clients[1]).await];
            assert!(held.iter().all(Option::is_some));
            assert!(take(&places, clients[2]).await.is_none());
            assert!(take(&places, "198.51.100.1").await.is_some());
            drop(held);
            assert!(take(&places, clients[2]).await.is_some());
        }
        // Nothing is kept of those who are gone or were refused.
        assert!(places.taken.lock().unwrap().is_empty());
        assert_eq!(places.room.available_permits(), 8);
    }

    #[tokio::test]
    async fn a_trusted_proxy_is_not_held_to_a_share() {
        let places = Places::new(8, 2, vec!["192.0.2.0/24".parse().unwrap()]);
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(take(&places, "192.0.2.7").await.unwrap());
        }
        drop(held);
        assert!(places.taken.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn whoever_comes_when_all_is_full_waits() {
        let places = Places::new(1, 1, Vec::new());
        let held = take(&places, "192.0.2.1").await;
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(50), places.free()).await;
        assert!(waiting.is_err());
        drop(held);
        assert!(places.free().await.is_some());
    }
}
