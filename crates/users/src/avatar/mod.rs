//! Pictures of people. What somebody sends is recognised by its content (`container`), decoded, cut
//! square and made small (`develop`) in a thread of its own (`studio`), and kept as three WebP files under
//! a name that nobody has had before; `change` gives it to the account. `serve` has them for whoever knows
//! the address, `initials` draws what stands there for people without one, and `sweep` removes the files
//! that nobody has any more.

mod change;
mod container;
mod develop;
mod initials;
mod jpeg;
mod record;
mod serve;
mod studio;
mod sweep;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use kernel::PictureId;
use storage::{BlobName, Blobs};

pub use change::{ChangeAvatarError, remove_avatar, remove_avatar_of, set_avatar};
pub use container::BadImage;
pub(crate) use initials::nobody;
pub use initials::{initials, initials_address, initials_picture, tint};
pub use record::release_all;
pub use serve::{Found, find_picture};
pub use studio::Busy;
pub use sweep::sweep_pictures;

/// The sizes that pictures are kept in, in pixels, the largest first.
pub const SIZES: [u32; 3] = [512, 256, 64];
/// The largest file that is taken, in bytes.
pub const LARGEST_UPLOAD: usize = 5 * 1024 * 1024;

/// What pictures are made, kept and shown with. Cheap to clone.
#[derive(Clone)]
pub struct Pictures {
    /// The address in front of theirs, without a slash at the end.
    origin: Arc<str>,
    blobs: Blobs,
    studio: studio::Studio,
    cache: Arc<serve::Cache>,
}

impl Pictures {
    /// Pictures in this store, at this origin.
    pub fn new(blobs: Blobs, origin: &str) -> Self {
        Self {
            origin: origin.trim_end_matches('/').into(),
            blobs,
            studio: studio::Studio::new(),
            cache: Arc::new(serve::cache()),
        }
    }

    /// The address in front of theirs.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// Where one size of a picture is kept.
fn file(picture: PictureId, size: u32) -> Result<BlobName, storage::blobs::InvalidBlobName> {
    BlobName::parse(&format!("avatars/{picture}/{size}.webp"))
}
