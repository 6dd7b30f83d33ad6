# What people and CI run. Everything builds from a clean clone; `make e2e` also needs Go.
.PHONY: demo test e2e fmt lint deny

# Lab and control plane in one process, a tenant, an application. Needs nothing but the Rust toolchain.
demo:
	cargo run --quiet -p rowhouse-tenantctl -- demo

test:
	cargo test --workspace

# Scenarios against a real kube-apiserver, built once from its Go module (minutes), then kept.
# Logs: target/e2e/<scenario>/. SCENARIO=name runs those whose name contains it.
SCENARIO ?=
e2e:
	e2e/kubernetes/build
	cargo build --workspace --bins
	cargo test --workspace --test scenarios -- --test-threads=1 $(SCENARIO)

fmt:
	cargo fmt --all

# --all-targets leaves out test targets that `cargo test` does not run by itself: the scenarios.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --test scenarios -- -D warnings

# Licences, duplicates and advisories; needs cargo-deny.
deny:
	cargo deny check
