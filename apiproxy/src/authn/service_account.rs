//! Service-account tokens: ES256 JWTs in upstream's form (KEP-1205, `pkg/serviceaccount`).

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::Collection;
use tenancy::TenantId;
use tenancy::route::KeyPair;

use super::Caller;
use crate::api::Api;
use crate::routes::Tenant;

/// Issuer of every token, and the audience of tokens that name none.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Signing and verifying keys of one tenant.
#[derive(Default)]
pub struct TokenKeys {
    signing: Option<(String, EncodingKey)>,
    verifying: Vec<(String, DecodingKey)>,
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKeys").field("verifying", &self.verifying.len()).finish_non_exhaustive()
    }
}

impl TokenKeys {
    /// Parses keys; the first one signs. Keys that do not parse are left out.
    pub fn parse(pairs: &[KeyPair]) -> Self {
        let mut keys = Self::default();
        for pair in pairs {
            let Ok(der) = PrivatePkcs8KeyDer::from_pem_slice(pair.key.as_bytes()) else { continue };
            let der = der.secret_pkcs8_der();
            let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) else { continue };
            let public = key.public_key().as_ref();
            let id: String = Sha256::digest(public).iter().take(10).map(|byte| format!("{byte:02x}")).collect();
            if keys.signing.is_none() {
                keys.signing = Some((id.clone(), EncodingKey::from_ec_der(der)));
            }
            keys.verifying.push((id, DecodingKey::from_ec_der(public)));
        }
        keys
    }

    /// Signs claims. None when the tenant has no usable key.
    pub fn sign(&self, claims: &Claims) -> Option<String> {
        let (id, key) = self.signing.as_ref()?;
        let header = Header { kid: Some(id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, key).ok()
    }

    /// Checks signature, issuer, time and that one of the audiences is wanted.
    pub fn verify(&self, token: &str, audiences: &[&str]) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(audiences);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 10;
        let candidates = self.verifying.iter().filter(|(id, _)| header.kid.as_ref().is_none_or(|kid| kid == id));
        candidates
            .map(|(_, key)| jsonwebtoken::decode::<Claims>(token, key, &validation))
            .find_map(Result::ok)
            .map(|d| d.claims)
    }
}

/// Claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Audiences.
    pub aud: Vec<String>,
    /// Expiry, seconds since the epoch.
    pub exp: i64,
    /// Time of issue.
    pub iat: i64,
    /// Issuer.
    pub iss: String,
    /// Token id.
    pub jti: String,
    /// What the token is bound to.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: Bound,
    /// Not valid before.
    pub nbf: i64,
    /// `system:serviceaccount:<namespace>:<name>`.
    pub sub: String,
}

/// Private claims: the objects that must exist for the token to be good.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bound {
    /// Namespace of the account.
    pub namespace: String,
    /// Node of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Named>,
    /// Pod the token lives and dies with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Named>,
    /// Secret the token lives and dies with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Named>,
    /// The account.
    pub serviceaccount: Named,
}

/// Name and uid of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Name.
    pub name: String,
    /// Uid; empty for a node that is gone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// The identity of a token, when this tenant has issued it and everything it is bound to still exists.
pub(super) fn authenticate(api: &Api, tenant: &Arc<Tenant>, token: &str) -> Option<Caller> {
    caller(api, tenant, token, &[ISSUER]).map(|(caller, _)| caller)
}

/// As [`authenticate`], for other audiences (TokenReview); with the audiences the token was issued for.
pub fn caller(api: &Api, tenant: &Arc<Tenant>, token: &str, audiences: &[&str]) -> Option<(Caller, Vec<String>)> {
    let claims = tenant.token_keys().verify(token, audiences)?;
    let bound = &claims.kubernetes;
    let exists = |resource: &str, named: &Named| exists(api, tenant.id, resource, &bound.namespace, named);
    let account = &bound.serviceaccount;
    if claims.sub != user_name(&bound.namespace, &account.name) || !exists("serviceaccounts", account) {
        return None;
    }
    if !bound.pod.as_ref().is_none_or(|pod| exists("pods", pod))
        || !bound
            .secret
            .as_ref()
            .is_none_or(|secret| exists("secrets", secret) && still_held(api, tenant, &claims, token))
    {
        return None;
    }
    let mut extra =
        vec![("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("JTI={}", claims.jti)])];
    if let Some(pod) = &bound.pod {
        extra.push(("authentication.kubernetes.io/pod-name".to_owned(), vec![pod.name.clone()]));
        extra.push(("authentication.kubernetes.io/pod-uid".to_owned(), vec![pod.uid.clone()]));
    }
    if let Some(node) = &bound.node {
        extra.push(("authentication.kubernetes.io/node-name".to_owned(), vec![node.name.clone()]));
        if !node.uid.is_empty() {
            extra.push(("authentication.kubernetes.io/node-uid".to_owned(), vec![node.uid.clone()]));
        }
    }
    let groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{}", bound.namespace)];
    Some((Caller::new(claims.sub.clone(), account.uid.clone(), groups, extra), claims.aud.clone()))
}

/// User name of a service account.
pub fn user_name(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// Lifetime of the tokens that token Secrets hold, seconds: the longest there is.
const OF_SECRETS: i64 = 1 << 32;

/// Whether the Secret that a token was made to be kept in still holds it: taking it out revokes it (upstream's validator
/// of legacy tokens). Other tokens only need their Secret to exist.
fn still_held(api: &Api, tenant: &Tenant, claims: &Claims, token: &str) -> bool {
    let bound = &claims.kubernetes;
    let name = bound.secret.as_ref().map_or("", |secret| secret.name.as_str());
    let Some(secret) = api.store.get(tenant.id, &Collection::new("", "secrets"), &bound.namespace, name) else {
        return false;
    };
    let kept = claims.exp.checked_sub(claims.iat) == Some(OF_SECRETS);
    if !kept || secret.field("type") != Some("kubernetes.io/service-account-token") {
        return true;
    }
    let held = secret.value()["data"]["token"].as_str().and_then(|text| STANDARD.decode(text).ok());
    held.is_some_and(|held| held == token.as_bytes())
}

fn exists(api: &Api, tenant: TenantId, resource: &str, namespace: &str, named: &Named) -> bool {
    let object = api.store.get(tenant, &Collection::new("", resource), namespace, &named.name);
    object.is_some_and(|object| object.uid() == named.uid)
}
