//! The tenants being served, and the ways that lead to them: path prefix, SNI, dedicated port (design §10).
//!
//! A route is an object of the system tenant (`tenancy::route`), so it survives restarts without the host; this table
//! is its index in memory. Certificates and keys are parsed when a tenant is first used, not when it is registered:
//! ten thousand idle tenants cost ten thousand map entries.

pub(crate) mod follow;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use store::Store;
use tenancy::TenantId;
use tenancy::route::RouteSpec;
use tokio::sync::watch;

use crate::authn::service_account::TokenKeys;
use crate::sharing;

/// One tenant being served.
#[derive(Debug)]
pub struct Tenant {
    /// Identity.
    pub id: TenantId,
    /// The record it is served by.
    pub spec: RouteSpec,
    serving: OnceLock<Option<Arc<CertifiedKey>>>,
    client_roots: OnceLock<Option<Arc<dyn rustls::server::danger::ClientCertVerifier>>>,
    token_keys: OnceLock<Arc<TokenKeys>>,
}

impl Tenant {
    fn new(id: TenantId, spec: RouteSpec) -> Self {
        Self { id, spec, serving: OnceLock::new(), client_roots: OnceLock::new(), token_keys: OnceLock::new() }
    }

    /// Serving certificate. None when the record's PEM does not parse; the connection then gets the default one.
    pub fn serving(&self) -> Option<Arc<CertifiedKey>> {
        self.serving.get_or_init(|| certified_key(&self.spec.serving.certificate, &self.spec.serving.key)).clone()
    }

    /// Verifier of client certificates of this tenant's CA.
    pub fn client_verifier(&self) -> Option<Arc<dyn rustls::server::danger::ClientCertVerifier>> {
        let build = || {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(self.spec.ca.certificate.as_bytes()) {
                roots.add(certificate.ok()?).ok()?;
            }
            let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build().ok()?;
            Some(verifier as Arc<dyn rustls::server::danger::ClientCertVerifier>)
        };
        self.client_roots.get_or_init(build).clone()
    }

    /// Keys of service-account tokens.
    pub fn token_keys(&self) -> Arc<TokenKeys> {
        self.token_keys.get_or_init(|| Arc::new(TokenKeys::parse(&self.spec.service_account_keys))).clone()
    }
}

/// What a tenant may store, by its record.
pub(crate) fn caps(spec: &RouteSpec) -> store::Caps {
    let everybody = store::Caps::default();
    store::Caps {
        objects: spec.caps.objects.unwrap_or(everybody.objects),
        bytes: spec.caps.bytes.unwrap_or(everybody.bytes),
    }
}

/// Parses a certificate chain and its key. None when either is not usable.
pub fn certified_key(certificates: &str, key: &str) -> Option<Arc<CertifiedKey>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).ok()?;
    if chain.is_empty() { None } else { Some(Arc::new(CertifiedKey::new(chain, key))) }
}

/// All tenants being served.
pub struct Routes {
    table: RwLock<Table>,
    store: OnceLock<Store>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<TenantId, Arc<Tenant>>,
    by_name: HashMap<String, TenantId>,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").field("tenants", &self.len()).finish_non_exhaustive()
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self { table: RwLock::default(), store: OnceLock::new(), changes: watch::Sender::new(0) }
    }
}

impl Routes {
    /// The routes of a store, which learns from them what tenants see of what they share.
    pub(crate) fn of(store: Store) -> Self {
        Self { store: OnceLock::from(store), ..Self::default() }
    }

    /// Registers a tenant or replaces its record. A name belongs to the tenant registered last.
    pub fn put(&self, id: TenantId, spec: RouteSpec) {
        let mut table = self.table.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(old) = table.by_id.get(&id)
            && old.spec == spec
        {
            return;
        }
        if let Some(store) = self.store.get() {
            store.set_sight(id, &sharing::sight(&spec.sight));
        }
        table.forget_name(id);
        table.by_name.insert(spec.tenant.as_str().to_owned(), id);
        table.by_id.insert(id, Arc::new(Tenant::new(id, spec)));
        drop(table);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Forgets a tenant.
    pub fn remove(&self, id: TenantId) {
        let mut table = self.table.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        table.forget_name(id);
        table.by_id.remove(&id);
        drop(table);
        self.changes.send_modify(|count| *count += 1);
    }

    /// A tenant by id.
    pub fn by_id(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner).by_id.get(&id).cloned()
    }

    /// A tenant by name.
    pub fn by_name(&self, name: &str) -> Option<Arc<Tenant>> {
        let table = self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        table.by_id.get(table.by_name.get(name)?).cloned()
    }

    /// Every tenant that wants a listener of its own, with its port.
    pub fn ports(&self) -> Vec<(u16, TenantId)> {
        let table = self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        table.by_id.values().filter_map(|tenant| Some((tenant.spec.port?, tenant.id))).collect()
    }

    /// Every tenant.
    pub fn ids(&self) -> Vec<TenantId> {
        self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner).by_id.keys().copied().collect()
    }

    /// Number of tenants.
    pub fn len(&self) -> usize {
        self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner).by_id.len()
    }

    /// Whether no tenant is served.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts changes; wakes whoever follows.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Table {
    fn forget_name(&mut self, id: TenantId) {
        if let Some(old) = self.by_id.get(&id) {
            let name = old.spec.tenant.as_str();
            if self.by_name.get(name) == Some(&id) {
                self.by_name.remove(name);
            }
        }
    }
}
