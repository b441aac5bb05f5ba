//! Every whole-process test, in one binary.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise, and says which")]

mod bad_input;
mod contracts;
mod enumeration;
mod lockout;
mod passwords;
mod refresh;
mod sessions;
