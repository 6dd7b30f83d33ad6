# What people and CI run. Everything builds from a clean clone; `make e2e` also needs Go.
.PHONY: demo test e2e real-node fuzz measure fmt lint deny

# Lab and control plane in one process, a tenant, an application. Needs nothing but the Rust toolchain.
demo:
	cargo run --quiet -p rowhouse-tenantctl -- demo

test:
	cargo test --workspace

# Scenarios against a real kube-apiserver, built once from its Go module (minutes), then kept; once over the embedded
# store and once over etcd.
# Logs: target/e2e/<scenario>/. SCENARIO=name runs those whose name contains it.
SCENARIO ?=
e2e:
	e2e/kubernetes/build
	cargo build --workspace --bins
	cargo test --workspace --test scenarios -- --test-threads=1 $(SCENARIO)
	ROWHOUSE_E2E_STORE=etcd cargo test -p rowhouse-e2e --test scenarios -- --test-threads=1 $(SCENARIO)
	cargo test -p rowhouse-e2e --test real_node -- $(SCENARIO)

# Only those on a real node: containerd, kubelet and kube-proxy on this machine. Wants root and Debian; says so in
# capitals where it cannot be done. ROWHOUSE_E2E_NODE=require makes that a failure, off leaves it out.
real-node:
	e2e/kubernetes/build
	cargo build --workspace --bins
	cargo test -p rowhouse-e2e --test real_node -- $(SCENARIO)

# Fuzzes every decoder of bytes that tenants send, each for SECONDS.
SECONDS ?= 60
fuzz:
	fuzz/run $(SECONDS)

# What a tenant costs, on a real host: memory, time to the first read, watches held. TENANTS=n, 1000 by default.
measure:
	e2e/kubernetes/build
	cargo build --release -p rowhouse-tenantctl
	ROWHOUSE_TENANTCTL=target/release/tenantctl cargo test -p rowhouse-e2e --test measure -- --nocapture

fmt:
	cargo fmt --all

# --all-targets leaves out test targets that `cargo test` does not run by itself: the scenarios.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --test scenarios --test real_node --test measure -- -D warnings

# Licences, duplicates and advisories; needs cargo-deny.
deny:
	cargo deny check
