# Builds a node and packs it into a small image that runs as an ordinary user.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p plasma-node-bin

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --home-dir /var/lib/plasma plasma
COPY --from=build /src/target/release/plasma-node /usr/local/bin/plasma-node
USER plasma
WORKDIR /var/lib/plasma
ENV PLASMA_DATADIR=/var/lib/plasma/data PLASMA_HTTP_ADDR=0.0.0.0 PLASMA_METRICS=127.0.0.1:9001
EXPOSE 8545
VOLUME /var/lib/plasma/data
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD curl -fsS http://127.0.0.1:9001/health || exit 1
ENTRYPOINT ["plasma-node"]
# The address is the container's own; who reaches it is decided where the port is published: docker run -p 127.0.0.1:8545:8545.
CMD ["node", "--dev", "--dev.serve-unsafe-methods-on-all-addresses"]
