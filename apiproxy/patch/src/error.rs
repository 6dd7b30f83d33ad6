//! Why a patch was refused, with the status upstream answers for it.

/// A patch that could not be applied. Display is the full story for logs; clients see [`PatchError::message`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is not one: 400 `BadRequest`.
    #[error("{0}")]
    BadRequest(String),
    /// The patch asks for too much: 413 `RequestEntityTooLarge`.
    #[error("{0}")]
    TooLarge(String),
    /// The patch does not fit the document (a failed test, a missing path): 422 `Invalid`.
    #[error("{0}")]
    Unprocessable(String),
    /// Patch and schema contradict each other; upstream answers 500 without a reason.
    #[error("{0}")]
    Internal(String),
}

impl PatchError {
    /// HTTP status code.
    pub fn code(&self) -> u16 {
        match self {
            PatchError::BadRequest(_) => 400,
            PatchError::TooLarge(_) => 413,
            PatchError::Unprocessable(_) => 422,
            PatchError::Internal(_) => 500,
        }
    }

    /// `reason` of the Status; empty when upstream sends none.
    pub fn reason(&self) -> &'static str {
        match self {
            PatchError::BadRequest(_) => "BadRequest",
            PatchError::TooLarge(_) => "RequestEntityTooLarge",
            PatchError::Unprocessable(_) => "Invalid",
            PatchError::Internal(_) => "",
        }
    }

    /// `message` of the Status. Upstream wraps 422 in a generic server response, which hides the detail
    /// (`NewGenericServerResponse` of apimachinery's `api/errors`), with empty `details`.
    pub fn message(&self) -> String {
        match self {
            PatchError::BadRequest(text) | PatchError::Internal(text) => text.clone(),
            PatchError::TooLarge(text) => format!("Request entity too large: {text}"),
            PatchError::Unprocessable(_) => "the server rejected our request due to an error in our request".to_owned(),
        }
    }
}
