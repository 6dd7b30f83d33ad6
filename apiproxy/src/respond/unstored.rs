//! What a client is told when the store does not do its part.

use store::EngineError;

use super::Error;

/// The answer to a request that the engine failed. Upstream passes etcd's own words on as an error without a reason
/// (`Error from server: etcdserver: request timed out`), and so is it here: a client must not take it for a refusal,
/// because a write may have been done.
pub(crate) fn unstored(error: &EngineError) -> Error {
    match error {
        EngineError::Unavailable(words) | EngineError::Refused(words) => {
            tracing::warn!(%error, "the store did not answer a request");
            Error::Plain(words.to_string())
        }
        EngineError::Closed => Error::ServiceUnavailable("the server is shutting down".to_owned()),
        EngineError::Storage(_) | EngineError::Corrupt(_) => {
            tracing::error!(%error, "the store failed");
            Error::Internal("the store failed".to_owned())
        }
    }
}
