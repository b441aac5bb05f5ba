//! Reading a request's body before anything is decided about it.
//!
//! The token is checked after the body has come, so that nobody can hold a request open with a good
//! token and finish it when the token is dead.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kernel::Problem;

/// How long a client may take to send it.
const PATIENCE: Duration = Duration::from_secs(15);
/// How much of a body that is too large is read before it is refused: a client that is still sending
/// would otherwise see the connection break instead of the answer.
const DRAIN: usize = 1024 * 1024;
/// And for how long.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// The whole body, if it is within bounds.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if declared_length(headers).is_some_and(|length| length > limit as u64) {
        drain_at_least(body, 4 * limit).await;
        return Err(kernel::json::too_large());
    }
    match tokio::time::timeout(PATIENCE, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(kernel::json::too_large()),
        Ok(Err(_broken)) => Err(Problem::bad_request("incomplete_body", "The body ended before it was complete.")),
        Err(_elapsed) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The body took too long to arrive",
            "Send the whole body within 15 seconds.",
        )),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(crate) async fn drain<B>(body: B)
where
    B: Body<Data = Bytes, Error: Into<axum::BoxError>>,
{
    drain_at_least(body, 0).await;
}

/// The same where more is expected: a photograph of 12 MB is to be answered, too.
async fn drain_at_least<B>(body: B, length: usize)
where
    B: Body<Data = Bytes, Error: Into<axum::BoxError>>,
{
    let mut body = std::pin::pin!(Limited::new(body, length.max(DRAIN)));
    // Whether it ended, broke, was too long or too slow: the answer is the same.
    let _ = tokio::time::timeout(DRAIN_PATIENCE, async { while let Some(Ok(_)) = body.frame().await {} }).await;
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    const LIMIT: usize = 64 * 1024;

    async fn code(length: usize, declared: Option<usize>) -> &'static str {
        let mut headers = HeaderMap::new();
        if let Some(declared) = declared {
            headers.insert(header::CONTENT_LENGTH, declared.into());
        }
        read(&headers, Full::new(Bytes::from(vec![b'x'; length])), LIMIT)
            .await
            .map_or_else(|problem| problem.code, |_| "ok")
    }

    #[tokio::test]
    async fn bodies_are_bounded_whatever_they_declare() {
        assert_eq!(code(0, None).await, "ok");
        assert_eq!(code(LIMIT, Some(LIMIT)).await, "ok");
        assert_eq!(code(LIMIT, None).await, "ok");
        assert_eq!(code(LIMIT + 1, None).await, "body_too_large");
        assert_eq!(code(LIMIT + 1, Some(LIMIT + 1)).await, "body_too_large");
        assert_eq!(code(LIMIT + 1, Some(10)).await, "body_too_large");
    }
}
