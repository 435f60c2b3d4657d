//! Errors and panics: the batch ends with an error, the executor goes on.
