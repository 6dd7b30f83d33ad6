//! Serves the Kubernetes API of every tenant in one process.
//!
//! ```text
//!  TcpStream
//!   │ tls::server_config      Connection { entrance, server name, peer certificates }
//!   │ serve::handle           Door       { tenant | fleet }
//!   │ authn::authenticate     Caller     { user, groups, extra }                        401
//!   │ request::parse          Request    Read | Write | Watch | Connect | NonResource   400 404 405
//!   │ authz::authorize        Permit<K>                                                 403
//!   │ fairness                a seat of the tenant                                      429
//!   ├─ read                   store ► bytes                                             410
//!   ├─ write                  decode ► admission ► Admitted ► commit                    409 422
//!   ├─ watch                  subscription ► events, bookmarks                          410
//!   └─ connect                stream to the tenant's pod on the host
//!   │ respond                 every error becomes a Status here
//! ```

pub mod config;
pub mod tls;

pub mod api;
pub mod serve;
pub mod server;

pub mod authn;
pub mod authz;
mod fairness;
pub mod request;
mod visit;

pub mod admission;
mod bootstrap;
pub mod catalog;
pub mod connect;
mod lifecycle;
mod quota;
mod read;
mod select;
mod sharing;
mod watch;
mod write;

pub mod discovery;
mod dns;
pub mod respond;
pub mod routes;

pub mod admin;
mod front;
mod kept;

pub use config::Config;
pub use server::Server;
