//! Which pages may open a WebSocket.
//!
//! Browsers let any page open a WebSocket to any host, and tell the page's origin in the handshake.
//! Programs send no origin and are served.

use crate::{gate::Gate, http_layer, server::RpcError};
use http::{
    Request, Response, StatusCode,
    header::{ORIGIN, UPGRADE},
    uri::Authority,
};
use jsonrpsee::server::HttpBody;

/// Checks the origins of handshakes.
#[derive(Debug)]
pub(crate) struct OriginGate {
    /// `None`: all origins are served.
    allowed: Option<Vec<Rule>>,
}

/// An origin, or all ports of one, or all of a host.
#[derive(Debug, PartialEq)]
struct Rule {
    scheme: Option<String>,
    host: String,
    port: Option<u16>,
}

impl OriginGate {
    /// Lets pages of `origins` in; where there are none, those of `cors` and of this machine.
    ///
    /// # Errors
    /// Where an origin is not one.
    pub(crate) fn new(origins: &[String], cors: &[String]) -> Result<Self, RpcError> {
        let own = ["http://localhost".to_owned()];
        let given: Vec<&String> = match origins {
            [] => cors.iter().chain(&own).collect(),
            origins => origins.iter().collect(),
        };
        if given.iter().any(|origin| *origin == "*") {
            return Ok(Self { allowed: None });
        }
        let rules = given.into_iter().map(|origin| {
            Rule::read(origin).ok_or_else(|| RpcError::Setting {
                flag: "--ws.origins",
                reason: format!(
                    "\"{origin}\" is not an origin; write one such as http://localhost:3000, or *"
                ),
            })
        });
        Ok(Self { allowed: Some(rules.collect::<Result<_, _>>()?) })
    }

    fn allows(&self, origin: &str) -> bool {
        let Some(allowed) = &self.allowed else { return true };
        let Some(origin) = Rule::read(origin) else { return false };
        allowed.iter().any(|rule| rule.covers(&origin))
    }
}

impl Rule {
    /// `scheme://host:port`, of which the host must be there.
    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        let authority: Authority = rest.strip_suffix('/').unwrap_or(rest).parse().ok()?;
        let host = authority.host().to_ascii_lowercase();
        let is_origin = !host.is_empty() && !authority.as_str().contains('@');
        is_origin.then(|| Self { scheme, host, port: authority.port_u16() })
    }

    /// What the rule leaves open may be anything.
    fn covers(&self, origin: &Self) -> bool {
        self.host == origin.host
            && (self.scheme.is_none() || self.scheme == origin.scheme)
            && (self.port.is_none() || self.port == origin.port)
    }
}

impl Gate for OriginGate {
    fn refusal<B>(&self, request: &mut Request<B>) -> Option<Response<HttpBody>> {
        let headers = request.headers();
        let mut upgrades = headers.get_all(UPGRADE).iter().flat_map(|value| {
            value.to_str().unwrap_or_default().split(',').map(str::trim).collect::<Vec<_>>()
        });
        if !upgrades.any(|name| name.eq_ignore_ascii_case("websocket")) {
            return None;
        }
        let origin = headers.get(ORIGIN)?.to_str().unwrap_or_default();
        if self.allows(origin) {
            return None;
        }
        let text = "pages of this origin may not open a WebSocket here (--ws.origins)\n";
        Some(http_layer::response(StatusCode::FORBIDDEN, "text/plain", text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(origins: &[&str], cors: &[&str]) -> OriginGate {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        OriginGate::new(&owned(origins), &owned(cors)).unwrap()
    }

    fn status(gate: &OriginGate, headers: &[(&str, &str)]) -> Option<StatusCode> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        gate.refusal(&mut request.body(()).unwrap()).map(|response| response.status())
    }

    #[test]
    fn without_a_setting_only_pages_of_this_machine_and_of_the_cors_setting_pass() {
        let gate = gate(&[], &["https://app.example"]);
        for origin in ["http://localhost", "http://LOCALHOST:5173", "https://app.example"] {
            assert!(gate.allows(origin), "{origin}");
        }
        for origin in
            ["https://evil.example", "http://localhost.evil.example", "null", "", "file://", "a b"]
        {
            assert!(!gate.allows(origin), "{origin}");
        }
    }

    #[test]
    fn a_rule_says_as_much_as_it_says() {
        let gate = gate(&["https://a.example:8443", "b.example", "http://c.example"], &[]);
        for (origin, allowed) in [
            ("https://a.example:8443", true),
            ("https://a.example", false),
            ("http://a.example:8443", false),
            ("https://b.example:1", true),
            ("http://c.example:99", true),
            ("https://c.example", false),
            ("http://localhost", false),
        ] {
            assert_eq!(gate.allows(origin), allowed, "{origin}");
        }
    }

    #[test]
    fn only_handshakes_with_an_origin_are_looked_at() {
        let gate = gate(&[], &[]);
        let refused = Some(StatusCode::FORBIDDEN);
        let evil = ("origin", "https://evil.example");
        assert_eq!(status(&gate, &[("upgrade", "websocket"), evil]), refused);
        assert_eq!(status(&gate, &[("upgrade", "h2c, WebSocket"), evil]), refused);
        assert_eq!(status(&gate, &[("upgrade", "websocket")]), None);
        assert_eq!(status(&gate, &[evil]), None);
        assert_eq!(status(&self::gate(&["*"], &[]), &[("upgrade", "websocket"), evil]), None);
    }

    #[test]
    fn what_is_no_origin_is_refused_at_the_start() {
        for wrong in ["", "http://", "http://a.example/path", "http://me@a.example", "a\nb"] {
            let error = OriginGate::new(&[wrong.to_owned()], &[]).unwrap_err().to_string();
            assert!(error.contains("--ws.origins"), "{wrong}: {error}");
        }
    }
}
