//! May they? A [`Permit`] is the evidence: it can only be made here, and every
//! handler of a request takes one. (It does not yet narrow the store to its tenant: handlers do that by its `Info`.)
//!
//! ```compile_fail
//! // A permit cannot be made elsewhere: its fields are private (E0451). All else about this function is right.
//! use apiproxy::authz::{Permit, Read};
//! fn forge(caller: apiproxy::authn::Caller, info: apiproxy::request::Info) -> Permit<Read> {
//!     Permit { caller, info, kind: std::marker::PhantomData }
//! }
//! ```

pub mod escalation;
mod impersonate;
pub mod rbac;

use std::marker::PhantomData;

use crate::api::Api;
use crate::authn::Caller;
use crate::request::{Info, Request};
use crate::respond::Error;

pub use impersonate::impersonate;

/// Marks permits to get and list.
#[derive(Debug)]
pub enum Read {}
/// Marks permits to change objects.
#[derive(Debug)]
pub enum Write {}
/// Marks permits to watch.
#[derive(Debug)]
pub enum Watch {}
/// Marks permits for streams to the host.
#[derive(Debug)]
pub enum Connect {}
/// Marks permits for paths that are no resources.
#[derive(Debug)]
pub enum NonResource {}

/// Evidence that a caller may do what the request says.
#[derive(Debug)]
pub struct Permit<K> {
    caller: Caller,
    info: Info,
    kind: PhantomData<K>,
}

impl<K> Permit<K> {
    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What for.
    pub fn info(&self) -> &Info {
        &self.info
    }

    fn new(caller: Caller, info: Info) -> Self {
        Self { caller, info, kind: PhantomData }
    }
}

/// A permitted request, by kind.
#[derive(Debug)]
pub enum Permitted {
    /// get, list
    Read(Permit<Read>),
    /// create, update, patch, delete, deletecollection
    Write(Permit<Write>),
    /// watch
    Watch(Permit<Watch>),
    /// logs, exec …
    Connect(Permit<Connect>),
    /// discovery, health …
    NonResource(Permit<NonResource>),
}

/// Authorises a request. Errors: 403.
pub fn authorize(api: &Api, caller: Caller, request: Request) -> Result<Permitted, Error> {
    rbac::check(api, &caller, request.info())?;
    Ok(match request {
        Request::Read(info) => Permitted::Read(Permit::new(caller, info)),
        Request::Write(info) => Permitted::Write(Permit::new(caller, info)),
        Request::Watch(info) => Permitted::Watch(Permit::new(caller, info)),
        Request::Connect(info) => Permitted::Connect(Permit::new(caller, info)),
        Request::NonResource(info) => Permitted::NonResource(Permit::new(caller, info)),
    })
}
