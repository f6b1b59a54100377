//! Bodies that go out while they are made: one that breaks off is never taken for a whole.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use poem::Body;

use super::error::chain;
use crate::error::{Error, Result};

/// A body that breaks off on an error: a client must not take a part for the whole.
///
/// The connection is ended by unwinding. The framework polls a connection once more after a body has failed, and
/// hyper then writes the end of a whole answer.
pub fn streamed(chunks: BoxStream<'static, Result<Bytes>>) -> Body {
    // The body is sent after the request's span has ended; what goes wrong must be found under its id all the same.
    let span = tracing::Span::current();
    Body::from_bytes_stream(chunks.map(move |chunk| match chunk {
        Ok(chunk) => Ok::<_, std::io::Error>(chunk),
        Err(error) => {
            span.in_scope(|| broke_off(&error));
            std::panic::resume_unwind(Box::new("an answer broke off"))
        }
    }))
}

/// Says in the log that an answer broke off, and why.
pub fn broke_off(error: &Error) {
    tracing::error!(error = %chain(error), "an answer broke off");
}
