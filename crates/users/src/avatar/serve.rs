//! Pictures for whoever knows their address.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use kernel::PictureId;
use quick_cache::Weighter;
use storage::BlobError;

use super::{Pictures, SIZES, file};

/// How much memory the pictures that were asked for lately may take, in bytes.
const CAPACITY: u64 = 16 * 1024 * 1024;
/// How long one is given out without asking the store: a picture that was taken away, or whose owner was
/// erased, is gone from every process after this.
const FRESH: Duration = Duration::from_secs(60);
/// How long it is known without asking the store that there is no such picture. Short, for another process may be
/// putting it; the one that does forgets it at once.
const MISSED: Duration = Duration::from_secs(3);

type Key = (PictureId, u32);
/// The pictures that were asked for lately.
pub(super) type Cache = quick_cache::sync::Cache<Key, Kept, Weight>;

#[derive(Clone)]
pub(super) struct Kept {
    /// The file; nothing if there is none.
    content: Option<Bytes>,
    since: Instant,
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < if self.content.is_some() { FRESH } else { MISSED }
    }
}

#[derive(Clone)]
pub(super) struct Weight;

impl Weighter<Key, Kept> for Weight {
    fn weight(&self, _: &Key, kept: &Kept) -> u64 {
        kept.content.as_ref().map_or(0, Bytes::len) as u64 + 128
    }
}

pub(super) fn cache() -> Cache {
    // A picture of 256 pixels has some 10 KB.
    Cache::with_weighter(1_600, CAPACITY, Weight)
}

/// What is at a picture's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The file (WebP).
    Picture(Bytes),
    /// Nothing.
    Nothing,
    /// The store cannot say now, or what it has was damaged.
    Unknown,
}

/// Forgets what was known of a picture before it was put.
pub(super) fn forget(pictures: &Pictures, picture: PictureId) {
    for size in SIZES {
        pictures.cache.remove(&(picture, size));
    }
}

/// The picture of this name in this size.
pub async fn find_picture(pictures: &Pictures, picture: PictureId, size: u32) -> Found {
    let key = (picture, size);
    if let Some(kept) = pictures.cache.get(&key).filter(Kept::is_fresh) {
        return kept.content.map_or(Found::Nothing, Found::Picture);
    }
    let Some(name) = file(picture, size).ok().filter(|_| SIZES.contains(&size)) else { return Found::Nothing };
    let since = Instant::now();
    match pictures.blobs.get(&name).await {
        Ok(content) => {
            let content = content.map(Bytes::from);
            pictures.cache.insert(key, Kept { content: content.clone(), since });
            content.map_or(Found::Nothing, Found::Picture)
        }
        Err(error @ (BlobError::Unavailable(_) | BlobError::Damaged(_) | BlobError::TooLarge)) => {
            tracing::warn!(%error, "a picture could not be read; its place is shown empty");
            Found::Unknown
        }
    }
}
