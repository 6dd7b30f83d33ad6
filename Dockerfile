# An image with the two servers and nothing else: docker buildx build --platform linux/amd64,linux/arm64 -t REPOSITORY:0.1.0 .
# Each platform is built by a compiler of its own (Alpine's target is static), so that no cross toolchain is needed.
ARG RUST_VERSION=1.95
ARG ALPINE_VERSION=3.22

FROM docker.io/library/rust:${RUST_VERSION}-alpine${ALPINE_VERSION} AS build
# aws-lc and SQLite are C; protoc is for the client of etcd.
RUN apk add --no-cache build-base cmake linux-headers perl protoc protobuf-dev
ENV PROTOC=/usr/bin/protoc
WORKDIR /source
COPY . .
RUN cargo build --locked --release -p rowhouse-apiproxy -p rowhouse-syncer --bins \
  && mkdir -p /image/var/lib/rowhouse /image/tmp \
  && cp target/release/apiproxy target/release/syncer /image/

FROM scratch
COPY --from=build --chown=65532:65532 /image/ /
USER 65532:65532
# One image, two programs: /apiproxy and /syncer. There is no shell.
ENTRYPOINT ["/apiproxy"]
