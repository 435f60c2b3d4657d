//! Lets no HTTP request pass without a token.

use super::secret::{JwtSecret, TokenError};
use crate::gate::Gate;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use jsonrpsee::server::HttpBody;
use std::time::{SystemTime, UNIX_EPOCH};

/// Asks every request for a token.
#[derive(Debug)]
pub(crate) struct TokenGate(JwtSecret);

impl TokenGate {
    pub(crate) fn new(secret: JwtSecret) -> Self {
        Self(secret)
    }
}

impl Gate for TokenGate {
    fn refusal<B>(&self, request: &mut Request<B>) -> Option<Response<HttpBody>> {
        // Taken out, so that nothing behind this can show it.
        let header = request.headers_mut().remove(AUTHORIZATION);
        check(&self.0, header.as_ref()).err().map(|reason| refusal(&reason))
    }
}

fn check(secret: &JwtSecret, header: Option<&HeaderValue>) -> Result<(), TokenError> {
    let header = header.ok_or(TokenError::Missing)?;
    let header = header.to_str().map_err(|_| TokenError::Malformed)?;
    let (scheme, token) = header.split_once(' ').ok_or(TokenError::Missing)?;
    // RFC 9110, 11.1: the name of the scheme has no case.
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Missing);
    }
    // A clock before 1970 makes every token stale, which is refused in words.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    secret.verify(token.trim(), now)
}

fn refusal(reason: &TokenError) -> Response<HttpBody> {
    let body = format!("{reason}\n");
    let mut response = crate::http_layer::response(StatusCode::UNAUTHORIZED, "text/plain", body);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
