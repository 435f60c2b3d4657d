//! Why a genesis file was refused.

use serde_json::Value;
use thiserror::Error;

/// Longest excerpt of a found value that a message repeats, in characters.
const MAX_FOUND: usize = 80;

/// Why a genesis file (or a [`crate::Genesis`] value) makes no chain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainSpecError {
    /// The text is not JSON at all.
    #[error("genesis is not valid JSON: {0}")]
    Json(String),
    /// One field is missing, malformed or at odds with another.
    #[error("{path}: expected {expected}, found {found}")]
    Field {
        /// JSON path of the field, such as `config.plasma.registry`.
        path: String,
        /// What should stand there.
        expected: String,
        /// What stands there, as JSON, shortened where it is long.
        found: String,
    },
}

impl ChainSpecError {
    /// A field that holds `found` where `expected` should be.
    pub(crate) fn field(
        path: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Field { path: path.into(), expected: expected.into(), found: found.into() }
    }

    /// The same for a JSON value; `None`: the field is absent.
    pub(crate) fn value(
        path: impl Into<String>,
        expected: impl Into<String>,
        found: Option<&Value>,
    ) -> Self {
        let found = match found {
            None => "nothing".to_owned(),
            Some(Value::Object(_)) => "an object".to_owned(),
            Some(Value::Array(_)) => "an array".to_owned(),
            Some(value) => shorten(value.to_string()),
        };
        Self::field(path, expected, found)
    }
}

fn shorten(text: String) -> String {
    if text.chars().count() <= MAX_FOUND {
        return text;
    }
    let head: String = text.chars().take(MAX_FOUND).collect();
    format!("{head}... ({} characters)", text.chars().count())
}
