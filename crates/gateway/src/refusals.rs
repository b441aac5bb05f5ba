//! What the door says no with: the problem that a client sees, and the reason for log and metrics.

use std::time::Duration;

use axum::http::StatusCode;
use kernel::Problem;
use verify::Refused;

use crate::upstream::Failed;

/// A token that is not taken. Why is for the operator; only what is our own fault is said.
pub(crate) fn refused(reason: Refused) -> Problem {
    match reason {
        Refused::NotReady => Problem::unavailable("not_ready", "The keys that check tokens are not here yet.", 5),
        Refused::Stale => {
            Problem::unavailable("revocations_stale", "It is not known whose access has ended. Try again soon.", 5)
        }
        _ => Problem::unauthenticated(),
    }
}

/// What roles come to has not been heard of yet, or for too long.
pub(crate) fn roles_unknown() -> Problem {
    Problem::unavailable("not_ready", "What roles may do is not known here now. Try again soon.", 1)
}

/// What the client is told when an application does not answer. Its code is the reason in the log, too.
pub(crate) fn problem_of(failed: Failed) -> Problem {
    let title = "The application cannot be reached";
    match failed {
        Failed::NoneHealthy => Problem::unavailable(
            "upstream_unavailable",
            "The application behind this address is down. Try again soon.",
            5,
        ),
        Failed::Full => Problem::unavailable(
            "upstream_unavailable",
            "The application behind this address has too much to do. Try again soon.",
            5,
        ),
        Failed::Connect => Problem::new(
            StatusCode::BAD_GATEWAY,
            "upstream_unreachable",
            title,
            "The application behind this address does not answer.",
        ),
        Failed::Reset => Problem::new(
            StatusCode::BAD_GATEWAY,
            "upstream_failed",
            title,
            "The application behind this address broke off its answer.",
        ),
        Failed::FirstByteTimeout | Failed::TotalTimeout => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "The application takes too long",
            "Look whether it was done, then try again.",
        ),
        Failed::BodyTooLarge => kernel::json::too_large(),
        Failed::ClientGone => Problem::bad_request("incomplete_body", "The body ended before it was complete."),
    }
}

/// 503: as many large bodies as may be in memory at once are there.
pub(crate) fn too_much_at_once() -> Problem {
    Problem::unavailable("busy", "Too much is being sent at once. Nothing was changed: try again soon.", 2)
}

/// 421: nobody serves this host here (RFC 9110 §15.5.20).
pub(crate) fn unknown_host() -> Problem {
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "unknown_host",
        "Nobody is here under this name",
        "Use the public address, or give a route this `host`.",
    )
}

/// 429, with the time until trying again makes sense.
pub(crate) fn too_many(wait: Duration) -> Problem {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(60).saturating_add(1);
    // Rounded up to whole quarters of a minute: how much is left is nobody's business.
    let coarse = seconds.div_ceil(15) * 15;
    Problem {
        retry_after: Some(coarse),
        ..Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_attempts",
            "Too many attempts",
            "Wait a little, then try again.",
        )
    }
}
