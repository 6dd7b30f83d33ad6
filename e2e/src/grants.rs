//! What Rowhouse may do on the host: exactly what the chart grants, never more. Every scenario runs with it, so that
//! every scenario proves that it is enough.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{Assets, Helm, Host, Kubectl};

/// Where the control plane keeps its own objects.
pub const CONTROL_NAMESPACE: &str = "rowhouse-system";

/// Which processes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `tenantctl up`: all in one process.
    Up,
    /// An apiproxy and a syncer, as the chart runs them.
    Split,
}

impl Form {
    /// What `ROWHOUSE_E2E_FORM` says (`up` or `split`), or else this one.
    pub fn chosen_or(self) -> Self {
        match std::env::var("ROWHOUSE_E2E_FORM").as_deref() {
            Ok("up") => Self::Up,
            Ok("split") => Self::Split,
            Ok(other) => panic!("ROWHOUSE_E2E_FORM is up or split, not {other}"),
            Err(_) => self,
        }
    }
}

/// Kubeconfigs of the accounts that the chart makes.
pub(crate) struct Grants {
    pub(crate) apiproxy: PathBuf,
    pub(crate) syncer: PathBuf,
}

impl Grants {
    /// Applies the part of the chart that is about rights, and gets tokens for its accounts.
    ///
    /// In the form [`Form::Up`] one account is used for everything, with the rights of both, and those to install what
    /// the chart installs otherwise.
    pub(crate) fn apply(assets: &Assets, host: &Host, directory: &Path, form: Form) -> Self {
        let mut parts = vec!["accounts", "apiproxy-rbac", "syncer-rbac", "confine", "fleet-secret"];
        if form == Form::Split {
            parts.push("crd");
        }
        let shown: Vec<String> = parts.iter().map(|part| format!("--show-only=templates/{part}.yaml")).collect();
        let rendered = Helm::new(assets, host.kubeconfig(), directory).template(&shown.join(" ")).ok();
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CONTROL_NAMESPACE}}).to_string();
        let kubectl = host.kubectl();
        kubectl.apply(&namespace);
        kubectl.apply(&rendered);
        if form == Form::Up {
            kubectl.apply(&installer().to_string());
        }
        let account = |name: &str| {
            let path = directory.join(format!("{name}.kubeconfig"));
            let token =
                kubectl.run(&format!("create token rowhouse-{name} -n {CONTROL_NAMESPACE} --duration=24h")).ok();
            std::fs::write(&path, as_bearer(kubectl, token.trim())).expect("the temporary directory is writable");
            path
        };
        Self { apiproxy: account("apiproxy"), syncer: account("syncer") }
    }
}

/// What `tenantctl up` needs beyond the chart: it is apiproxy and syncer in one, and installs the Tenant API.
fn installer() -> Value {
    let subject = json!([{"kind": "ServiceAccount", "name": "rowhouse-syncer", "namespace": CONTROL_NAMESPACE}]);
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    let binding = |name: &str, role: &str| {
        json!({"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role}, "subjects": subject})
    };
    let definitions = |verbs: Value, names: Value| {
        json!({"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"],
            "verbs": verbs, "resourceNames": names})
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": "rowhouse-up"},
         "rules": [definitions(json!(["create"]), json!([])),
                   definitions(json!(["patch"]), json!(["tenants.rowhouse.dev"]))]},
        binding("rowhouse-up", "rowhouse-up"),
        binding("rowhouse-up-streams", "rowhouse-apiproxy"),
    ]})
}

/// The administrator's kubeconfig with a token in place of the certificate.
fn as_bearer(admin: &Kubectl, token: &str) -> String {
    let mut config = admin.json("config view --raw --minify");
    config["users"][0]["user"] = json!({"token": token});
    config.to_string()
}
