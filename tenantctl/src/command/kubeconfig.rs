//! `tenantctl kubeconfig`: the key to a tenant.

use std::ffi::OsStr;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;

use crate::cli::{HostOptions, Kubeconfig};
use crate::{Error, host, merge, output};

/// Prints or merges a kubeconfig. Errors: [`Error::NoTenant`], [`Error::NotReady`], [`Error::File`] and what the host
/// says.
pub(crate) async fn run(options: &HostOptions, arguments: &Kubeconfig) -> Result<(), Error> {
    let name = &arguments.name;
    let client = host::client(options).await?;
    let text = read(&client, name).await?;
    if !arguments.merge {
        return output::text(&text);
    }
    let path = target(std::env::var_os("KUBECONFIG").as_deref(), std::env::var_os("HOME").as_deref())?;
    let context = format!("rowhouse-{name}");
    merge::into_file(&path, &text, &context)?;
    output::line(&format!(
        "context {context} is in {}\nUse it: kubectl --context {context} get namespaces",
        path.display()
    ))
}

/// The admin kubeconfig of a tenant. Errors: as [`run`].
pub(crate) async fn read(client: &kube::Client, name: &tenancy::TenantName) -> Result<String, Error> {
    let tenant = host::tenant(&host::tenants(client.clone()), name).await?;
    let not_ready = |state: String| Error::NotReady { name: name.to_string(), state };
    let Some(reference) = host::status(&tenant).kubeconfig_secret_ref else {
        return Err(not_ready(host::state(&tenant)));
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &reference.namespace);
    let secret = secrets.get_opt(&reference.name).await?;
    let bytes = secret.and_then(|secret| secret.data).and_then(|mut data| data.remove("kubeconfig"));
    let place = format!("secret {}/{}", reference.namespace, reference.name);
    let bytes = bytes.ok_or_else(|| not_ready(format!("{place} has no key kubeconfig")))?;
    String::from_utf8(bytes.0).map_err(|_| not_ready(format!("{place} is not text")))
}

/// The file that kubectl would add a context to: the first of `KUBECONFIG`, or `~/.kube/config`. Not `--kubeconfig`:
/// that names the host's file, which a lab writes anew at every start.
fn target(kubeconfig: Option<&OsStr>, home: Option<&OsStr>) -> Result<PathBuf, Error> {
    let first = kubeconfig.and_then(|list| std::env::split_paths(list).find(|path| !path.as_os_str().is_empty()));
    let default = || home.map(|home| PathBuf::from(home).join(".kube/config"));
    first.or_else(default).ok_or_else(|| Error::File {
        path: "~/.kube/config".into(),
        reason: "HOME is not set; set KUBECONFIG".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_where_kubectl_would() {
        let path = |kubeconfig: Option<&str>, home: Option<&str>| {
            target(kubeconfig.map(OsStr::new), home.map(OsStr::new)).map(|path| path.display().to_string()).ok()
        };
        assert_eq!(path(None, Some("/h")).as_deref(), Some("/h/.kube/config"));
        assert_eq!(path(Some(""), Some("/h")).as_deref(), Some("/h/.kube/config"));
        assert_eq!(path(Some(":/a:/b"), Some("/h")).as_deref(), Some("/a"));
        assert_eq!(path(None, None), None);
    }
}
