//! Every `code` that a problem document can have. A code never changes its meaning; a new one is added
//! here in the change that brings it, or a test fails.

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
    entry("bad_host", 400, "Send one `Host`, the name or address that you connected to."),
    entry(
        "bad_path",
        400,
        "Write the path plainly: no empty or dot segments, no semicolon, no encoded slash, dot or percent sign.",
    ),
    entry("bad_request", 400, "Look at the address and the form of the request."),
    entry(
        "body_too_large",
        413,
        "Send a smaller body: most addresses take at most 64 KiB, pictures and long lists of people may have 5 MiB.",
    ),
    entry("broken_image", 422, "The picture is cut off or damaged, or something else is behind it. Save it again."),
    entry(
        "busy",
        503,
        "Too many passwords are being checked, pictures made or long lists read. Nothing was changed: wait as long as `Retry-After` says, then try again.",
    ),
    entry(
        "csrf_failed",
        403,
        "A form was not sent by its own page. Open the page again and send it from there. It concerns pages only, not the API.",
    ),
    entry("delivery_not_waiting", 409, "It was sent, or it is being tried right now. Read the delivery to see which."),
    entry("duplicate_field", 400, "Send each field once."),
    entry("email_taken", 409, "There is an account with this email, in whatever spelling. Sign in instead."),
    entry(
        "feed_unavailable",
        503,
        "Too many services follow the revocation feed here, or it is about to start or stop. Wait as long as `Retry-After` says, then connect again.",
    ),
    entry("forbidden", 403, "It needs a role or permission that your account does not have. Ask an administrator."),
    entry("head_too_large", 431, "Send less in the address and the headers: 32 KiB together at most."),
    entry(
        "idempotency_key_reused",
        422,
        "Something else was asked for with this `Idempotency-Key`. Take a new one for each thing that you want.",
    ),
    entry(
        "image_too_large",
        413,
        "Send a picture of at most 25 megapixels and 16,384 pixels a side, as a plain JPEG or PNG.",
    ),
    entry("incomplete_body", 400, "The body ended too soon. Send it again."),
    entry("internal_error", 500, "It is our fault, and nothing was changed. Report it with the `request_id`."),
    entry(
        "invalid_code",
        400,
        "The code is wrong, older than 10 minutes, or was tried five times: on purpose it does not say which. Type that of the newest mail, or ask for another.",
    ),
    entry(
        "invalid_credentials",
        401,
        "The email or the password is not right, or the account is locked for a while or may not be used: on purpose it does not say which. Check both.",
    ),
    entry("invalid_idempotency_key", 400, "Send one `Idempotency-Key` of 1 to 255 characters of ASCII."),
    entry("invalid_if_match", 400, "Send the `version` of what you read, in quotes, as `If-Match`."),
    entry("invalid_input", 422, "Correct the fields named in `errors`."),
    entry("invalid_json", 400, "Send one valid JSON value, in UTF-8."),
    entry(
        "invalid_link",
        410,
        "What `invalid_token` is for programs: the page behind a link that was used, has expired, was replaced or was never ours. Ask for a new one.",
    ),
    entry("invalid_query", 400, "Correct what stands behind the question mark of the address."),
    entry(
        "invalid_refresh_token",
        401,
        "The refresh token was used, has expired, or its session is over. Sign in again.",
    ),
    entry(
        "invalid_setup_link",
        410,
        "The link for the first administrator was used, is older than 60 minutes, or is not needed any more. Start the program again for a new one.",
    ),
    entry("invalid_stream", 400, "Correct what `detail` names about the stream of Shared Signals."),
    entry(
        "invalid_token",
        400,
        "The link was used, has expired, was replaced by a newer one, is for something else or was never ours: on purpose it does not say which. Ask for a new one.",
    ),
    entry(
        "invalid_unsubscribe_link",
        410,
        "The link at the foot of a mail is not whole, or what it is about is not there any more. Sign in and choose what you want to hear.",
    ),
    entry("job_over", 409, "It was done, failed or was stopped before. Read the job to see which."),
    entry("last_administrator", 409, "Nobody could administer afterwards. Make somebody else an administrator first."),
    entry("method_not_allowed", 405, "Use one of the methods in the `Allow` header."),
    entry("missing_field", 400, "Add the field that `detail` names."),
    entry("not_acceptable", 406, "The revocation feed is a stream of events: send `Accept: text/event-stream`."),
    entry("not_found", 404, "Check the address. What belongs to somebody else is not found either."),
    entry(
        "not_invited",
        409,
        "The account has a password, is suspended or deleted, or was never invited. Read it to see which.",
    ),
    entry(
        "not_ready",
        503,
        "The gateway has just started and has not heard from Usher's services. Try again as `Retry-After` says.",
    ),
    entry("nul_character", 400, "Remove the NUL character from the text."),
    entry(
        "own_account",
        409,
        "Administrators do not suspend, delete or erase themselves, nor vouch for their own address. Ask another administrator; for your address use /api/v1/users/me/email.",
    ),
    entry("push_not_configured", 409, "An administrator has not configured this way of pushing messages."),
    entry(
        "request_in_progress",
        409,
        "A request with this `Idempotency-Key` is under way. Wait a moment and send it again: then you are given its answer.",
    ),
    entry("request_timeout", 408, "Send the whole body within 15 seconds."),
    entry(
        "revocations_stale",
        503,
        "The gateway does not know whose access has ended, and was told to refuse then. Try again as `Retry-After` says.",
    ),
    entry("role_built_in", 409, "`admin`, `support` and `user` cannot be deleted. The last two can be changed."),
    entry(
        "role_circle",
        422,
        "A role cannot include itself, nor one that includes it. Leave out the role that `errors` names.",
    ),
    entry("role_in_use", 409, "Take the role away from every account and out of every other role first."),
    entry("role_taken", 409, "There is a role of this name. Choose another, or change that one."),
    entry("role_unchangeable", 409, "`admin` may do everything, always. Make a role of your own for less."),
    entry(
        "stale",
        412,
        "Somebody changed it since you read it. Read it again, repeat your change, and send the new version as `If-Match`.",
    ),
    entry(
        "storage_unavailable",
        503,
        "The database, or the store for files, cannot take this now, and nothing was changed. Wait as long as `Retry-After` says, then try again.",
    ),
    entry("stream_exists", 409, "A receiver of Shared Signals has one stream: read it, and change or replace it."),
    entry("timeout", 503, "It took too long. Try again."),
    entry("too_late", 409, "An account can come back for 30 days after it was deleted. Make a new one instead."),
    entry(
        "too_many_attempts",
        429,
        "Too many requests of this kind came from your address, or too many mails were asked for by your account. Wait as long as `Retry-After` says.",
    ),
    entry("too_many_jobs", 409, "Twenty of your jobs are not over yet. Wait for one of them, or stop one."),
    entry("too_many_roles", 409, "There can be 500 roles. Delete one that nobody holds first."),
    entry("too_many_streams", 503, "Too many inboxes are shown live here. Close another stream, or come back."),
    entry(
        "too_many_verifications",
        429,
        "Wait as long as `Retry-After` says before you ask for the next verification of a stream.",
    ),
    entry("too_many_watchers", 503, "Too many watch jobs here. Close another stream, or come back."),
    entry("too_many_webhooks", 409, "There can be a hundred webhooks. Remove one that nobody needs first."),
    entry(
        "unauthenticated",
        401,
        "Send a valid access token as `Authorization: Bearer …`. If it has expired, refresh it; if that is refused, sign in again.",
    ),
    entry(
        "unclear_question",
        400,
        "A proxy that asks `/gateway/authorize` has to send `X-Forwarded-Method`, `-Uri` and `-Host` once each, as the client's request has them.",
    ),
    entry("unknown_field", 400, "Remove the field that `detail` names."),
    entry("unknown_host", 421, "Nobody is here under this name. Use the public address, or give a route this `host`."),
    entry("unknown_role", 422, "There is no role of this name. Make it first."),
    entry("unsupported_image", 415, "Send a PNG, JPEG, WebP or GIF image."),
    entry("unsupported_media_type", 415, "Send JSON with `Content-Type: application/json`."),
    entry("untrusted_proxy", 403, "Only a proxy in `trusted_proxies` may ask `/gateway/authorize`."),
    entry(
        "upstream_failed",
        502,
        "The application behind this address broke off its answer. Look whether it was done, then try again.",
    ),
    entry(
        "upstream_timeout",
        504,
        "The application behind this address takes too long. Look whether it was done, then try again.",
    ),
    entry("upstream_unavailable", 503, "The application behind this address is down. Try again as `Retry-After` says."),
    entry("upstream_unreachable", 502, "The application behind this address does not answer. Try again."),
    entry("weak_password", 422, "Choose another password: `errors` says what is wrong with this one."),
    entry("webhook_not_active", 409, "The webhook is paused or off. Set its `status` to `active` first."),
    entry("webhook_taken", 409, "There is a webhook of this name. Choose another, or change that one."),
    entry("wrong_password", 422, "The current password is not right, or was wrong too often. Check it."),
    entry(
        "wrong_status",
        409,
        "The account is in another status than this begins with. Read the account, then decide again.",
    ),
    entry("wrong_type", 400, "A value has another type than its field. Compare it with the documentation."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Where a code can stand in the source, without spaces, each followed by its first text in quotes.
    const MAKERS: [&str; 6] = [
        "Problem::new(",
        "Problem::bad_request(",
        "Problem::unavailable(",
        "Self::new(StatusCode::",
        "Self::unavailable(",
        "code:\"",
    ];

    fn collect(folder: &Path, codes: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, codes);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code: String = text.split("#[cfg(test)]").next().unwrap_or_default().split_whitespace().collect();
                for maker in MAKERS {
                    let quote = if maker.ends_with('"') { "\"" } else { "" };
                    let found = code.split(maker).skip(1).map(|rest| format!("{quote}{rest}"));
                    let found = found.filter_map(|rest| rest.split('"').nth(1).map(str::to_owned));
                    codes.extend(
                        found.filter(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')),
                    );
                }
            }
        }
    }

    #[test]
    fn every_code_in_the_source_is_explained_and_no_other() {
        let mut codes = BTreeSet::new();
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for folder in fs::read_dir(crates).unwrap() {
            let source = folder.unwrap().path().join("src");
            // `verify` is for other people's services and makes no problem documents.
            if source.is_dir() && !source.parent().unwrap().ends_with("verify") {
                collect(&source, &mut codes);
            }
        }
        let explained: BTreeSet<String> = PROBLEMS.iter().map(|entry| entry.code.to_owned()).collect();
        assert_eq!(codes.difference(&explained).collect::<Vec<_>>(), Vec::<&String>::new(), "codes without an entry");
        assert_eq!(explained.difference(&codes).collect::<Vec<_>>(), Vec::<&String>::new(), "entries without a code");
    }

    #[test]
    fn entries_are_in_order() {
        assert!(PROBLEMS.windows(2).all(|pair| pair[0].code < pair[1].code));
    }
}
