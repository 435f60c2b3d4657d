//! Lets no HTTP request pass without a token.

use super::secret::{JwtSecret, TokenError};
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use jsonrpsee::server::HttpBody;
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::{SystemTime, UNIX_EPOCH},
};
use tower::{Layer, Service};

/// Asks every request, and so every WebSocket handshake, for a token.
#[derive(Clone, Debug)]
pub(crate) struct AuthLayer(Arc<JwtSecret>);

impl AuthLayer {
    pub(crate) fn new(secret: JwtSecret) -> Self {
        Self(Arc::new(secret))
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth { secret: self.0.clone(), inner }
    }
}

/// The service of [`AuthLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Auth<S> {
    secret: Arc<JwtSecret>,
    inner: S,
}

impl<S, B> Service<Request<B>> for Auth<S>
where
    S: Service<Request<B>, Response = Response<HttpBody>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future =
        futures::future::Either<std::future::Ready<Result<Self::Response, Self::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Taken out, so that nothing behind this can show it.
        let header = request.headers_mut().remove(AUTHORIZATION);
        match check(&self.secret, header.as_ref()) {
            Err(reason) => futures::future::Either::Left(std::future::ready(Ok(refusal(&reason)))),
            Ok(()) => futures::future::Either::Right(self.inner.call(request)),
        }
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
