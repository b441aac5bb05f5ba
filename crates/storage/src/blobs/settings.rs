//! Where files are kept, as an operator says it.

use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::{BlobName, PATIENCE};

/// How long a connection to the store may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// The region that stores without regions expect to be told.
const REGION: &str = "us-east-1";

/// Where files are kept.
#[derive(Clone)]
pub enum BlobSettings {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket of a store that speaks S3.
    Bucket(Bucket),
}

/// A bucket, and how to get into it.
#[derive(Clone)]
pub struct Bucket {
    name: String,
    prefix: String,
    endpoint: String,
    region: String,
    key: Option<(String, String)>,
}

/// A setting of the store is wrong: which, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidBlobSettings(String);

fn wrong<T>(text: impl Into<String>) -> Result<T, InvalidBlobSettings> {
    Err(InvalidBlobSettings(text.into()))
}

impl BlobSettings {
    /// A bucket: `s3://bucket` or `s3://bucket/prefix`. Without an endpoint it is at Amazon, without a key
    /// the machine's role is asked.
    pub fn s3(url: &str, endpoint: &str, region: &str, id: &str, secret: &str) -> Result<Self, InvalidBlobSettings> {
        let Some(rest) = url.strip_prefix("s3://") else {
            return wrong("`blobs.url` has to begin with s3:// (leave it empty for a folder in `data_dir`)");
        };
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_bucket = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
        if !(3..=63).contains(&name.len()) || !name.bytes().all(is_bucket) || name.starts_with(['-', '.']) {
            return wrong("`blobs.url` names no bucket: write it like s3://bucket or s3://bucket/prefix");
        }
        if !prefix.is_empty() && BlobName::parse(prefix).is_err() {
            return wrong("`blobs.url` has a prefix that cannot be used: take parts of a-z, 0-9, -, _ and .");
        }
        if id.is_empty() != secret.is_empty() {
            return wrong("`blobs` needs both: `blobs.access_key_id` and `blobs.secret_access_key`");
        }
        check_endpoint(endpoint)?;
        Ok(Self::Bucket(Bucket {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            region: if region.is_empty() { REGION } else { region }.to_owned(),
            key: (!id.is_empty()).then(|| (id.to_owned(), secret.to_owned())),
        }))
    }

    /// The store and the prefix of all names in it.
    pub(super) fn store(&self) -> Result<(Arc<dyn ObjectStore>, String), InvalidBlobSettings> {
        match self {
            Self::Folder(path) => {
                let failed = |error: &dyn std::fmt::Display| {
                    InvalidBlobSettings(format!("the folder {} cannot be used: {error}", path.display()))
                };
                // For nobody else to read, as the database beside it.
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
                made.map_err(|error| failed(&error))?;
                let store = LocalFileSystem::new_with_prefix(path).map_err(|error| failed(&error))?;
                Ok((Arc::new(store.with_fsync(true).with_automatic_cleanup(true)), String::new()))
            }
            Self::Bucket(bucket) => Ok((bucket.store()?, bucket.prefix.clone())),
        }
    }
}

impl Bucket {
    fn store(&self) -> Result<Arc<dyn ObjectStore>, InvalidBlobSettings> {
        let options = ClientOptions::new()
            .with_allow_http(self.endpoint.starts_with("http:"))
            .with_connect_timeout(CONNECT)
            .with_timeout(PATIENCE);
        // Once more, at once, for a connection that had gone stale; whoever waits for the answer decides
        // about more than that.
        let retry = RetryConfig {
            max_retries: 1,
            retry_timeout: PATIENCE,
            backoff: BackoffConfig { init_backoff: Duration::from_millis(50), ..BackoffConfig::default() },
        };
        let builder = match &self.key {
            Some((id, secret)) => AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret),
            None => AmazonS3Builder::from_env(),
        };
        let builder = builder
            .with_bucket_name(&self.name)
            .with_region(&self.region)
            .with_client_options(options)
            .with_retry(retry)
            // Not every store has the call that deletes many, and we delete few.
            .with_disable_bulk_delete(true);
        let builder = if self.endpoint.is_empty() { builder } else { builder.with_endpoint(&self.endpoint) };
        match builder.build() {
            Ok(store) => Ok(Arc::new(store)),
            Err(error) => wrong(format!("`blobs` cannot be used: {error}")),
        }
    }
}

/// The key and what is kept go over this connection, so only loopback may do without TLS.
fn check_endpoint(endpoint: &str) -> Result<(), InvalidBlobSettings> {
    if endpoint.is_empty() {
        return Ok(());
    }
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("", endpoint));
    let authority = rest.trim_end_matches('/');
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => authority,
    };
    if host.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
        return wrong("`blobs.endpoint` has to be scheme, host and port only, like https://s3.example.com");
    }
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_local = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match scheme {
        "https" => Ok(()),
        "http" if is_local => Ok(()),
        _ => wrong("`blobs.endpoint` has to begin with https:// (http:// is for this machine only)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str, endpoint: &str, id: &str, secret: &str) -> String {
        match BlobSettings::s3(url, endpoint, "", id, secret) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_bucket_is_read_or_it_is_said_what_is_wrong() {
        for url in ["s3://bucket", "s3://bucket/", "s3://my-bucket.eu/usher", "s3://bucket/a/b/"] {
            assert_eq!(error(url, "", "", ""), "", "{url}");
            assert_eq!(error(url, "https://s3.example.com", "id", "secret"), "", "{url}");
        }
        for url in [
            "bucket",
            "https://bucket",
            "s3://",
            "s3:///x",
            "s3://b",
            "s3://Bucket",
            "s3://bucket/../x",
            "s3://bucket//x",
        ] {
            assert!(error(url, "", "", "").contains("`blobs.url`"), "{url}");
        }
        assert!(error("s3://bucket", "", "id", "").contains("blobs.secret_access_key"));
        assert!(error("s3://bucket", "", "", "secret").contains("blobs.access_key_id"));
    }

    #[test]
    fn only_loopback_may_do_without_tls() {
        for endpoint in
            ["https://s3.example.com", "http://127.0.0.1:9000", "http://localhost:9000/", "http://[::1]:9000"]
        {
            assert_eq!(error("s3://bucket", endpoint, "", ""), "", "{endpoint}");
        }
        for endpoint in
            ["http://minio:9000", "http://10.0.0.1:9000", "http://localhost.example.com", "minio:9000", "ftp://x"]
        {
            assert!(error("s3://bucket", endpoint, "", "").contains("https://"), "{endpoint}");
        }
        for endpoint in ["https://", "https://user@host", "https://host/path"] {
            assert!(error("s3://bucket", endpoint, "", "").contains("scheme, host"), "{endpoint}");
        }
    }
}
