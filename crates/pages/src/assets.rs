//! What pages are made of: stylesheet, sprite, logo and script, out of the program itself.
//!
//! An address carries the hash of its content, so a browser may keep the file for a year and still
//! never shows an old one.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kernel::Problem;
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// Address by name. There are a handful, and each page asks for some of them.
static ADDRESSES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    Files::iter()
        .filter_map(|name| {
            let version = version(&Files::get(&name)?);
            Some((name.to_string(), format!("/assets/{name}?v={version}")))
        })
        .collect()
});

/// The first 64 bits of the content's SHA-256: enough to tell versions of one file apart.
fn version(file: &EmbeddedFile) -> String {
    file.metadata.sha256_hash().iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Where a page finds the asset of this name.
pub fn address(name: &str) -> &'static str {
    ADDRESSES.get(name).map_or("/assets/", String::as_str)
}

/// `GET /assets/{name}`
pub async fn serve(
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    respond(&name, query.as_deref(), &headers)
}

/// `GET /favicon.svg`: the one address that cannot carry a hash, because browsers guess it.
pub async fn favicon(headers: HeaderMap) -> Result<Response, Problem> {
    respond("favicon.svg", None, &headers)
}

/// `GET /account/service-worker.js`: a browser looks there again and again whether it is another one, and lets it work for
/// addresses below its own only.
pub async fn service_worker(headers: HeaderMap) -> Result<Response, Problem> {
    respond("service-worker.js", None, &headers)
}

fn respond(name: &str, query: Option<&str>, headers: &HeaderMap) -> Result<Response, Problem> {
    let file = Files::get(name).ok_or_else(Problem::not_found)?;
    let version = version(&file);
    let current = query.and_then(|query| query.strip_prefix("v=")) == Some(version.as_str());
    // Without the right hash the answer may be another one tomorrow, so it is asked for each time.
    let keep = if current { "public, max-age=31536000, immutable" } else { "public, no-cache" };
    let tag = format!("\"{version}\"");
    let head = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, keep.to_owned())];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    Ok((head, [(header::CONTENT_TYPE, media_type(name))], file.data).into_response())
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some((_, "LICENSE")) => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_the_right_hash_may_be_kept_for_a_year() {
        let query = address("usher.css").split_once('?').unwrap().1;
        let kept = respond("usher.css", Some(query), &HeaderMap::new()).unwrap();
        assert_eq!(kept.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(kept.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        let guessed = respond("usher.css", Some("v=0"), &HeaderMap::new()).unwrap();
        assert_eq!(guessed.headers()[header::CACHE_CONTROL], "public, no-cache");
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let tag = respond("icons.svg", None, &HeaderMap::new()).unwrap().headers()[header::ETAG].clone();
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, tag);
        assert_eq!(respond("icons.svg", None, &headers).unwrap().status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn only_embedded_files_are_served() {
        for name in ["../Cargo.toml", "..%2fCargo.toml", "", "usher.css/", "/etc/passwd"] {
            assert_eq!(respond(name, None, &HeaderMap::new()).unwrap_err().status, StatusCode::NOT_FOUND, "{name}");
        }
    }

    #[test]
    fn every_asset_that_pages_name_is_there() {
        for name in [
            "usher.css",
            "icons.svg",
            "usher.js",
            "console.js",
            "inbox.js",
            "push.js",
            "service-worker.js",
            "htmx.min.js",
            "favicon.svg",
            "logo.svg",
        ] {
            assert!(address(name).starts_with(&format!("/assets/{name}?v=")), "{name}");
        }
    }
}
