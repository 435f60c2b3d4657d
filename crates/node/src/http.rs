//! Metrics and health over HTTP: `/metrics`, `/health`, `/ready`.

use crate::{NodeError, metrics};
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use plasma_chain::Chain;
use std::{convert::Infallible, net::SocketAddr, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};

/// How often histograms are drained into their buckets.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// Collects metrics from now on.
pub(crate) fn install_recorder() -> Result<PrometheusHandle, NodeError> {
    let failed = |error: BuildError| NodeError::Recorder(error.to_string());
    let durations = Matcher::Suffix("_seconds".into());
    let mut builder = PrometheusBuilder::new()
        .set_buckets_for_metric(durations, &metrics::SECONDS_BUCKETS)
        .map_err(failed)?;
    for (name, buckets) in metrics::OTHER_BUCKETS {
        // A full name goes before the end of one.
        builder =
            builder.set_buckets_for_metric(Matcher::Full(name.into()), buckets).map_err(failed)?;
    }
    let recorder = builder.install_recorder().map_err(failed)?;
    metrics::describe();
    Ok(recorder)
}

/// Serves metrics and health until the task is aborted.
pub(crate) async fn serve(
    address: SocketAddr,
    recorder: PrometheusHandle,
    chain: Chain,
) -> Result<(SocketAddr, JoinHandle<()>), NodeError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| NodeError::Metrics { address, source })?;
    let bound = listener.local_addr().map_err(|source| NodeError::Metrics { address, source })?;
    let drain = recorder.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_PERIOD).await;
            drain.run_upkeep();
        }
    });
    let task = tokio::spawn(async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _peer)) => stream,
                Err(error) => {
                    tracing::warn!(target: "plasma::node", %error, "metrics server: accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let recorder = recorder.clone();
            let chain = chain.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(&request, &recorder, &chain);
                    async move { Ok::<_, Infallible>(answer) }
                });
                if let Err(error) =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
                {
                    tracing::debug!(target: "plasma::node", %error, "metrics server: connection");
                }
            });
        }
    });
    Ok((bound, task))
}

fn answer<B>(
    request: &Request<B>,
    recorder: &PrometheusHandle,
    chain: &Chain,
) -> Response<Full<Bytes>> {
    let (status, body) = match request.uri().path() {
        "/metrics" => (StatusCode::OK, recorder.render()),
        "/health" => match chain.failure() {
            None => (StatusCode::OK, "ok\n".to_owned()),
            Some(reason) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{reason}\n")),
        },
        "/ready" => match chain.failure() {
            None => (StatusCode::OK, format!("ready at block {}\n", chain.head().number())),
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        },
        _ => (StatusCode::NOT_FOUND, "paths: /metrics /health /ready\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}
