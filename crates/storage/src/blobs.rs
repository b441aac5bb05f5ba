//! Files beside the database: pictures and exports, in a folder or in a store that speaks S3.
//!
//! Each is kept with the SHA-256 of its content behind it: what comes back is what was put, or an error.
//! Every call ends within [`PATIENCE`], so that a store that is slow or away costs those who ask it a
//! few seconds and nobody else anything. What is larger than [`LARGEST`] is put in pieces, one name each.

mod name;
mod settings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use futures_util::{StreamExt as _, TryStreamExt as _};
use kernel::Problem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

pub use name::{BlobName, InvalidBlobName};
pub use settings::{BlobSettings, InvalidBlobSettings};

/// The largest file, in bytes.
pub const LARGEST: usize = 16 * 1024 * 1024;
/// No call takes longer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Not now: it is away, slow, full, or refuses our key. Trying again may help.
    #[error("the store for files cannot do this now: {0}")]
    Unavailable(String),
    /// What is there is not what was put.
    #[error("the file {0} in the store was damaged")]
    Damaged(BlobName),
    /// It is larger than [`LARGEST`].
    #[error("the file is larger than 16 MiB")]
    TooLarge,
}

impl From<BlobError> for Problem {
    /// Logs the cause, which is for operators, and gives the client what it can act on.
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Unavailable(_) => {
                tracing::error!(%error, "the store for files is unavailable");
                Self::unavailable("storage_unavailable", "The store for files cannot take this now. Try again.", 5)
            }
            BlobError::Damaged(_) | BlobError::TooLarge => {
                tracing::error!(%error, "the store for files failed");
                Self::internal()
            }
        }
    }
}

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// Under which all names are; nothing if the bucket is ours alone.
    prefix: String,
    /// Where it is, if it is a folder of this machine.
    folder: Option<PathBuf>,
    patience: Duration,
}

/// In memory, for tests and for whoever needs none.
impl Default for Blobs {
    fn default() -> Self {
        Self::new(Arc::new(object_store::memory::InMemory::new()), String::new())
    }
}

impl Blobs {
    /// Opens the store. A folder is made if it is missing; a store elsewhere is not asked before somebody
    /// needs it, so that Usher starts while it is away.
    pub fn open(settings: &BlobSettings) -> Result<Self, InvalidBlobSettings> {
        let (store, prefix) = settings.store()?;
        let folder = match settings {
            BlobSettings::Folder(path) => Some(path.clone()),
            BlobSettings::Bucket(_) => None,
        };
        Ok(Self { folder, ..Self::new(store, prefix) })
    }

    fn new(store: Arc<dyn ObjectStore>, prefix: String) -> Self {
        Self { store, prefix, folder: None, patience: PATIENCE }
    }

    /// Where a name is. It has no `.` or `..` and no empty part, so it stays below the prefix.
    fn place(&self, name: &BlobName) -> Path {
        if self.prefix.is_empty() { Path::from(name.as_str()) } else { Path::from(format!("{}/{name}", self.prefix)) }
    }

    /// Puts a file there, over one that may be there. When this returns it is kept: whole, or not at all.
    pub async fn put(&self, name: &BlobName, mut content: Vec<u8>) -> Result<(), BlobError> {
        if content.len() > LARGEST {
            return Err(BlobError::TooLarge);
        }
        let sum = digest(&SHA256, &content);
        content.extend_from_slice(sum.as_ref());
        self.within(async { self.store.put(&self.place(name), content.into()).await.map(|_| ()) }).await.map(|_| ())
    }

    /// The file of this name, if there is one.
    pub async fn get(&self, name: &BlobName) -> Result<Option<Vec<u8>>, BlobError> {
        let read = async {
            let found = self.store.get(&self.place(name)).await?;
            // Somebody else's file: nothing that was put here is so large.
            let is_ours = found.meta.size <= (LARGEST + SHA256_OUTPUT_LEN) as u64;
            Ok(if is_ours { found.bytes().await?.into() } else { Vec::new() })
        };
        let Some(mut content): Option<Vec<u8>> = self.within(read).await? else { return Ok(None) };
        let length = content.len().checked_sub(SHA256_OUTPUT_LEN).ok_or_else(|| BlobError::Damaged(name.clone()))?;
        if digest(&SHA256, &content[..length]).as_ref() != &content[length..] {
            return Err(BlobError::Damaged(name.clone()));
        }
        content.truncate(length);
        Ok(Some(content))
    }

    /// Removes a file. That it was not there is no error.
    pub async fn delete(&self, name: &BlobName) -> Result<(), BlobError> {
        self.within(async { self.store.delete(&self.place(name)).await }).await.map(|_| ())
    }

    /// Names below a folder, `limit` at most, in no particular order. What others put there is left out.
    pub async fn list(&self, folder: &BlobName, limit: usize) -> Result<Vec<BlobName>, BlobError> {
        let folder = self.place(folder);
        let listed = async {
            let found = self.store.list(Some(&folder)).take(limit);
            found.map_ok(|meta| self.name_of(&meta.location)).try_collect::<Vec<Option<BlobName>>>().await
        };
        Ok(self.within(listed).await?.unwrap_or_default().into_iter().flatten().collect())
    }

    /// Whether the store is there and answers. It puts nothing there.
    pub async fn check(&self) -> Result<(), BlobError> {
        let unavailable = |cause: String| BlobError::Unavailable(cause);
        if let Some(folder) = &self.folder {
            // To a list, a folder that is gone is one that has no files.
            let asked = tokio::time::timeout(self.patience, tokio::fs::metadata(folder)).await;
            let found = asked.map_err(|_elapsed| unavailable("it did not answer in time".into()))?;
            let found = found.map_err(|error| unavailable(error.to_string()))?;
            let is_usable = found.is_dir() && !found.permissions().readonly();
            return if is_usable { Ok(()) } else { Err(unavailable("it is no folder that can be written to".into())) };
        }
        let prefix = (!self.prefix.is_empty()).then(|| Path::from(self.prefix.as_str()));
        let asked = async { self.store.list(prefix.as_ref()).take(1).try_collect::<Vec<_>>().await };
        self.within(asked).await?.map(drop).ok_or_else(|| unavailable("there is no such bucket".into()))
    }

    fn name_of(&self, place: &Path) -> Option<BlobName> {
        let rest = place.as_ref().strip_prefix(self.prefix.as_str())?;
        BlobName::parse(rest.trim_start_matches('/')).ok()
    }

    /// What the store says, in time; nothing if it says that there is no such file.
    async fn within<T>(&self, asked: impl Future<Output = object_store::Result<T>>) -> Result<Option<T>, BlobError> {
        match tokio::time::timeout(self.patience, asked).await {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(object_store::Error::NotFound { .. })) => Ok(None),
            Ok(Err(error)) => Err(BlobError::Unavailable(error.to_string())),
            Err(_elapsed) => Err(BlobError::Unavailable("it did not answer in time".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> BlobName {
        BlobName::parse(text).unwrap()
    }

    async fn does_what_a_store_does(blobs: &Blobs) {
        let (one, other) = (name("avatars/1/64.webp"), name("avatars/2/64.webp"));
        assert_eq!(blobs.get(&one).await.unwrap(), None);
        blobs.put(&one, b"first".to_vec()).await.unwrap();
        blobs.put(&one, b"second".to_vec()).await.unwrap();
        blobs.put(&other, Vec::new()).await.unwrap();
        blobs.put(&name("avatars-of-others/1"), Vec::new()).await.unwrap();
        assert_eq!(blobs.get(&one).await.unwrap().unwrap(), b"second");
        assert_eq!(blobs.get(&other).await.unwrap().unwrap(), b"");
        let mut listed = blobs.list(&name("avatars"), 10).await.unwrap();
        listed.sort();
        assert_eq!(listed, [one.clone(), other.clone()]);
        assert_eq!(blobs.list(&name("avatars"), 1).await.unwrap().len(), 1);
        blobs.delete(&one).await.unwrap();
        blobs.delete(&one).await.unwrap();
        assert_eq!(blobs.get(&one).await.unwrap(), None);
        assert_eq!(blobs.list(&name("nowhere"), 10).await.unwrap(), []);
        assert!(matches!(blobs.put(&one, vec![0; LARGEST + 1]).await, Err(BlobError::TooLarge)));
    }

    #[tokio::test]
    async fn files_come_back_as_they_were_put() {
        does_what_a_store_does(&Blobs::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("not/there/yet");
        does_what_a_store_does(&Blobs::open(&BlobSettings::Folder(below)).unwrap()).await;
        let store = Arc::new(object_store::memory::InMemory::new());
        does_what_a_store_does(&Blobs::new(store, "shared/usher".into())).await;
    }

    #[tokio::test]
    async fn f26_what_was_changed_in_the_store_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&BlobSettings::Folder(folder.path().into())).unwrap();
        let one = name("exports/1");
        blobs.put(&one, b"id,name".to_vec()).await.unwrap();
        let file = folder.path().join("exports/1");
        let good = std::fs::read(&file).unwrap();
        let mut flipped = good.clone();
        flipped[3] ^= 1;
        for bad in [flipped, good[..good.len() - 1].to_vec(), b"short".to_vec(), Vec::new()] {
            std::fs::write(&file, &bad).unwrap();
            assert!(matches!(blobs.get(&one).await, Err(BlobError::Damaged(_))), "{bad:?}");
        }
        std::fs::write(&file, good).unwrap();
        assert_eq!(blobs.get(&one).await.unwrap().unwrap(), b"id,name");
    }

    #[tokio::test]
    async fn f26_a_store_that_is_gone_is_noticed_before_somebody_needs_it() {
        assert!(Blobs::default().check().await.is_ok());
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("files");
        let blobs = Blobs::open(&BlobSettings::Folder(folder.clone())).unwrap();
        assert!(blobs.check().await.is_ok());
        std::fs::remove_dir(&folder).unwrap();
        assert!(matches!(blobs.check().await, Err(BlobError::Unavailable(_))));
        std::fs::write(&folder, "a file in its place").unwrap();
        assert!(matches!(blobs.check().await, Err(BlobError::Unavailable(_))));
        assert_eq!(blobs.list(&name("avatars"), 1).await.unwrap_or_default(), [], "which a list does not say");
    }

    #[tokio::test]
    async fn f26_a_store_that_does_not_answer_is_given_up() {
        // It takes connections and never says anything.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", silent.local_addr().unwrap());
        let settings = BlobSettings::s3("s3://bucket", &endpoint, "", "id", "secret").unwrap();
        let mut blobs = Blobs::open(&settings).unwrap();
        blobs.patience = Duration::from_millis(200);
        let started = std::time::Instant::now();
        assert!(matches!(blobs.check().await, Err(BlobError::Unavailable(_))));
        assert!(matches!(blobs.get(&name("a")).await, Err(BlobError::Unavailable(_))));
        assert!(matches!(blobs.put(&name("a"), Vec::new()).await, Err(BlobError::Unavailable(_))));
        assert!(started.elapsed() < Duration::from_secs(3));
        drop(silent);
        // Nobody is there any more: that is no hang either, and no "there is no such file".
        assert!(matches!(blobs.get(&name("a")).await, Err(BlobError::Unavailable(_))));
    }
}
