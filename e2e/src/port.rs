//! Free TCP ports.

use std::net::{Ipv4Addr, TcpListener};

/// A port of loopback that is free now. Another process can take it before its user binds it; the kernel hands
/// ephemeral ports out in turn, so that does not happen in practice.
///
/// # Panics
/// When loopback has no free port.
pub fn free() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound listener has an address").port()
}
