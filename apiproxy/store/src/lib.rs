//! Ordered, revisioned store of many tenants, its cache of wire-ready objects, and watches.
//!
//! ```text
//!   Write ─► encode (caller's thread) ─► decide on the cache ─► engine: compare revisions, commit, fsync
//!                                                                  │ changes, in the order of revisions
//!   get, list ◄── cache: every object once, as the bytes that are served ◄─┤
//!   watch     ◄── queues, indexed by (collection, tenant)               ◄──╯
//! ```
//!
//! - Every key begins with the tenant; no operation on one tenant can name a row of another ([`Key::encode`]).
//! - A write is answered when it is durable and visible; reads never go to the engine. When other processes write to the
//!   same etcd, [`Store::current`] is what makes a read see what was acknowledged there.
//! - The base layer ([`BaseObject`], [`SharedCollection`]) is in every tenant and costs none of them anything.
//! - Start-up reads the engine's log once and parses no JSON.

mod backend;
mod base;
mod caps;
mod encode;
mod engine;
mod history;
mod index;
mod intern;
mod key;
mod list;
mod object;
mod relist;
mod revision;
mod state;
mod store;
mod watch;
mod write;

pub use backend::{Backend, EtcdConfig};
pub use base::{BaseObject, SharedCollection, Sight};
pub use caps::{Caps, Usage};
pub use encode::Draft;
pub use engine::EngineError;
pub use history::HistoryLimits;
pub use index::Owner;
pub use key::{Collection, Key, KeyError, Scope, tenant_range};
pub use list::{At, Expired, Listing, Position, PositionError, Query};
pub use object::Object;
pub use revision::Revision;
pub use store::{Config, OpenError, Store};
pub use watch::{Ended, Event, QueueLimits, Subscription};
pub use write::{Action, Expect, Write, WriteError, Written};
