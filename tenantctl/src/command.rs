//! One file per command.

pub(crate) mod completion;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod get;
pub(crate) mod kubeconfig;
pub(crate) mod list;
pub(crate) mod up;
pub(crate) mod version;
