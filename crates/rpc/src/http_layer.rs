//! What is checked of an HTTP request before its body is read: host, origin, size.

use crate::{RpcConfig, error, gate::Gate, ports, server::RpcError};
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST},
    uri::Authority,
};
use jsonrpsee::server::HttpBody;
use std::net::IpAddr;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// The layer that lets browsers of `origins` call; `None` where there are none.
///
/// # Errors
/// Where an origin is not one.
pub(crate) fn cors(origins: &[String]) -> Result<Option<CorsLayer>, RpcError> {
    if origins.is_empty() {
        return Ok(None);
    }
    let layer = CorsLayer::new()
        .allow_methods([Method::POST, Method::GET, Method::OPTIONS])
        .allow_headers([CONTENT_TYPE, AUTHORIZATION]);
    if origins.iter().any(|origin| origin == "*") {
        return Ok(Some(layer.allow_origin(Any)));
    }
    let values = origins.iter().map(|origin| {
        origin.trim_end_matches('/').parse::<HeaderValue>().map_err(|_| RpcError::Setting {
            flag: "--http.corsdomain",
            reason: format!(
                "\"{origin}\" is not an origin; write one such as http://localhost:3000, or *"
            ),
        })
    });
    let values: Vec<HeaderValue> = values.collect::<Result<_, _>>()?;
    Ok(Some(layer.allow_origin(AllowOrigin::list(values))))
}

/// Checks the host and the announced size of requests.
#[derive(Debug)]
pub(crate) struct HostGate {
    /// `None`: all hosts are served.
    hosts: Option<Vec<String>>,
    /// The flag that sets them.
    flag: &'static str,
    max_request_bytes: u64,
}

impl Gate for HostGate {
    fn refusal<B>(&self, request: &mut Request<B>) -> Option<Response<HttpBody>> {
        if !self.serves_host(request) {
            let text = format!("the host of this request is not served ({})\n", self.flag);
            return Some(response(StatusCode::FORBIDDEN, "text/plain", text));
        }
        let announced =
            request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
        if announced <= self.max_request_bytes {
            return None;
        }
        let refusal = error::limit_exceeded(format!(
            "the request has {announced} bytes, but at most {} are allowed (--rpc.max-request-size)",
            self.max_request_bytes
        ));
        let body = ports::refusal(refusal);
        Some(response(StatusCode::PAYLOAD_TOO_LARGE, "application/json", body))
    }
}

impl HostGate {
    /// Serves `hosts`, which the flag `flag` sets.
    pub(crate) fn new(config: &RpcConfig, hosts: &[String], flag: &'static str) -> Self {
        let all = hosts.iter().any(|host| host == "*");
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self {
            hosts: (!all).then_some(hosts),
            flag,
            max_request_bytes: config.max_request_bytes.into(),
        }
    }

    /// A page of another site that made the browser resolve its name to this machine (DNS
    /// rebinding) shows its own name as the host.
    fn serves_host<B>(&self, request: &Request<B>) -> bool {
        let Some(hosts) = &self.hosts else { return true };
        let Some(host) = request.headers().get(HOST) else { return true };
        let Ok(authority) = host.to_str().unwrap_or_default().parse::<Authority>() else {
            return false;
        };
        let name = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
        name.parse::<IpAddr>().is_ok() || hosts.contains(&name)
    }
}

/// A response with a body of the content type `kind`.
pub(crate) fn response(status: StatusCode, kind: &'static str, body: String) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(hosts: &[&str]) -> HostGate {
        let config = RpcConfig { max_request_bytes: 100, ..RpcConfig::default() };
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        HostGate::new(&config, &hosts, "--http.vhosts")
    }

    fn refused(hosts: &[&str], header: (&str, &str)) -> Option<StatusCode> {
        let mut request = Request::builder().header(header.0, header.1).body(()).unwrap();
        gate(hosts).refusal(&mut request).map(|response| response.status())
    }

    #[test]
    fn only_known_hosts_and_addresses_are_served() {
        for served in ["localhost", "LOCALHOST:8545", "127.0.0.1:8545", "[::1]:8545", "10.0.0.7"] {
            assert_eq!(refused(&["localhost"], ("host", served)), None, "{served}");
        }
        for other in ["evil.example", "evil.example:8545", "localhost.evil.example", "a b"] {
            let status = refused(&["localhost"], ("host", other));
            assert_eq!(status, Some(StatusCode::FORBIDDEN), "{other}");
            assert_eq!(refused(&["*"], ("host", other)), None);
        }
    }

    #[test]
    fn a_large_request_is_refused_before_it_is_read() {
        let large = refused(&["*"], ("content-length", "101"));
        assert_eq!(large, Some(StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(refused(&["*"], ("content-length", "100")), None);
    }

    #[test]
    fn origins_are_checked_when_the_server_starts() {
        assert!(cors(&[]).unwrap().is_none());
        assert!(cors(&["*".to_owned()]).unwrap().is_some());
        assert!(cors(&["http://localhost:3000/".to_owned()]).unwrap().is_some());
        let wrong = cors(&["http://a\nb".to_owned()]).unwrap_err();
        assert!(wrong.to_string().contains("--http.corsdomain"));
    }
}
