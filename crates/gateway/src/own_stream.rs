//! A stream of events from one of Usher's own services: it ends when its client's trust does, like a stream
//! that comes from an application.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, header};
use futures_util::{StreamExt as _, stream};

use crate::upstream::StillTrusted;

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);

/// The answer, which is cut when whoever asked for it is no longer trusted. Only a stream lasts long enough.
pub(crate) fn watch(response: Response<Body>, still_trusted: Option<StillTrusted>) -> Response<Body> {
    let is_stream = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    let Some(still_trusted) = still_trusted.filter(|_| is_stream) else { return response };
    response.map(|body| {
        let looks = tokio::time::interval(EVERY);
        let begun = (body.into_data_stream(), looks, still_trusted);
        Body::from_stream(stream::unfold(begun, |(mut pieces, mut looks, still_trusted)| async move {
            loop {
                tokio::select! {
                    // Looked at first: pieces that come without a pause would otherwise hide the look.
                    biased;
                    _ = looks.tick() => if !still_trusted() { return None },
                    piece = pieces.next() => return piece.map(|piece| (piece, (pieces, looks, still_trusted))),
                }
            }
        }))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Bytes;
    use http_body_util::BodyExt as _;

    use super::*;

    fn endless(kind: &'static str) -> Response<Body> {
        let pieces = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<Bytes, std::convert::Infallible>(Bytes::from_static(b":\n\n")), ()))
        });
        Response::builder().header(header::CONTENT_TYPE, kind).body(Body::from_stream(pieces)).unwrap()
    }

    #[tokio::test]
    async fn a_stream_ends_within_a_second_or_so_of_its_client_s_trust() {
        let trusted = Arc::new(AtomicBool::new(true));
        let asked = trusted.clone();
        let still: StillTrusted = Arc::new(move || asked.load(Ordering::SeqCst));
        let mut body = watch(endless("text/event-stream"), Some(still)).into_body();
        assert!(body.frame().await.is_some());
        trusted.store(false, Ordering::SeqCst);
        let rest = async { while body.frame().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(3), rest).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_stream_is_left_alone() {
        let still: StillTrusted = Arc::new(|| false);
        let mut body = watch(endless("text/csv"), Some(still)).into_body();
        assert!(body.frame().await.is_some());
    }
}
