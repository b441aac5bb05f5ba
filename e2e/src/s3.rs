//! A store that speaks S3: s3rver, from the npm registry, which checks signatures as Amazon's does.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Setup;
use crate::process::{Process, free_address, handed_over};

/// A running store with one empty bucket. What is in it ends with it.
pub struct S3 {
    address: String,
    // In this order: a store that runs without its files would say that there are none.
    _process: Process,
    folder: Folder,
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl S3 {
    /// Starts one.
    pub async fn start() -> Self {
        let address = free_address();
        let folder = std::env::temp_dir().join(format!("usher-s3-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a temporary folder");
        let (host, port) = address.split_once(':').expect("a port");
        let mut command = Command::new(handed_over("TEST_NODE"));
        command.arg(handed_over("TEST_S3")).arg("--directory").arg(&folder);
        command.args(["--address", host, "--port", port, "--configure-bucket", "files"]);
        let process = Process::start("the S3 server", &mut command);
        process.wait_until_open(&address).await;
        Self { address, _process: process, folder: Folder(folder) }
    }

    /// A program that keeps its files here.
    #[must_use]
    pub fn keeps_files_of(&self, setup: Setup) -> Setup {
        with_store_at(setup, &format!("http://{}", self.address))
    }

    /// Where the store has its own files.
    pub fn folder(&self) -> &Path {
        &self.folder.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program whose files are in a store at this address, whoever is there.
pub fn with_store_at(setup: Setup, endpoint: &str) -> Setup {
    setup
        .env("USHER_BLOBS__URL", "s3://files/usher")
        .env("USHER_BLOBS__ENDPOINT", endpoint)
        .env("USHER_BLOBS__ACCESS_KEY_ID", "S3RVER")
        .env("USHER_BLOBS__SECRET_ACCESS_KEY", "S3RVER")
}
