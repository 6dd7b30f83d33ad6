//! The front's own certificate: what clients see that come by path, by address, or under a name of no tenant.
//!
//! Its CA is made once and kept in the store beside the routes, so that kubeconfigs stay good over restarts and
//! replicas; the serving certificate is made anew at every start, for the names of that start.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::sign::CertifiedKey;
use serde_json::json;
use store::Store;

use crate::kept::kept;
use crate::routes::certified_key;
use crate::server::StartError;

/// The CA and serving certificate of the front.
pub(crate) struct Front {
    /// PEM of the CA certificate.
    pub(crate) ca: String,
    /// What is served.
    pub(crate) serving: Arc<CertifiedKey>,
}

/// Days a certificate of the front is good for.
const CA_DAYS: i64 = 3650;
const SERVING_DAYS: i64 = 365;

impl Front {
    /// Loads or makes the CA and issues a serving certificate for names and addresses.
    pub(crate) async fn open(store: &Store, names: &[String]) -> Result<Self, StartError> {
        let failed = |error: rcgen::Error| StartError::Certificate(error.to_string());
        let (ca, key) = authority(store).await?;
        let ca_key = KeyPair::from_pem(&key).map_err(failed)?;
        let issuer = Issuer::from_ca_cert_pem(&ca, ca_key).map_err(failed)?;
        let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        all.extend(names.iter().filter(|name| !name.is_empty()).cloned());
        all.dedup();
        let mut params = CertificateParams::new(all).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, "rowhouse-apiproxy");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        validity(&mut params, SERVING_DAYS);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
        let serving = certified_key(&format!("{}{ca}", certificate.pem()), &key.serialize_pem())
            .ok_or_else(|| StartError::Certificate("the serving certificate does not parse".to_owned()))?;
        Ok(Self { ca, serving })
    }
}

async fn authority(store: &Store) -> Result<(String, String), StartError> {
    let spec = kept(store, "Authority", "front", || {
        let (certificate, key) = fresh_authority().map_err(|error| StartError::Certificate(error.to_string()))?;
        Ok(json!({"certificate": certificate, "key": key}))
    })
    .await?;
    let text = |field: &str| spec[field].as_str().map(str::to_owned);
    text("certificate")
        .zip(text("key"))
        .ok_or_else(|| StartError::Certificate("the front's CA in the store is damaged".to_owned()))
}

/// The operator's token when none is given: 256 random bits, the same for all replicas and after every restart.
pub(crate) async fn fleet_token(store: &Store) -> Result<String, StartError> {
    let spec = kept(store, "Token", "fleet", || {
        let mut bits = [0; 32];
        aws_lc_rs::rand::fill(&mut bits)
            .map_err(|_| StartError::Certificate("there are no random numbers".to_owned()))?;
        Ok(json!({"token": URL_SAFE_NO_PAD.encode(bits)}))
    })
    .await?;
    let token = spec["token"].as_str().filter(|token| token.len() >= 43);
    token
        .map(str::to_owned)
        .ok_or_else(|| StartError::Certificate("the operator's token in the store is damaged".to_owned()))
}

fn fresh_authority() -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "rowhouse-front-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    validity(&mut params, CA_DAYS);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn validity(params: &mut CertificateParams, days: i64) {
    let now = std::time::SystemTime::now();
    let hour = std::time::Duration::from_secs(3600);
    let day = std::time::Duration::from_secs(86_400);
    params.not_before = (now - hour).into();
    params.not_after = (now + day * u32::try_from(days).unwrap_or(365)).into();
}
