//! Every `code` that a problem document can have. A code never changes its meaning; a new one is added
//! here in the change that brings it.

/// One code.
pub struct Entry {
    pub code: &'static str,
    pub status: u16,
    pub advice: &'static str,
}

const fn entry(code: &'static str, status: u16, advice: &'static str) -> Entry {
    Entry { code, status, advice }
}

/// In alphabetical order.
pub const PROBLEMS: &[Entry] = &[
    entry("body_too_large", 413, "Send a smaller body."),
    entry("csrf_failed", 403, "A page's form was not sent by that page. Open the page again and send it from there."),
];
