//! Descriptions of built-in kinds: upstream's prose is not part of this project, but the host serves it. Documents are
//! worded from the host's own OpenAPI when first asked for, and go out without words while the host is away.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::api::Api;
use crate::connect::HostAccess;

/// Longest wait for the host; `kubectl explain` would rather have fields than words.
const PATIENCE: Duration = Duration::from_secs(5);

/// Worded documents by path, the same for all tenants: at most one per group and version of the schema table.
#[derive(Default)]
pub(crate) struct Words {
    documents: Mutex<HashMap<String, Bytes>>,
}

/// A v3 document of built-in kinds with the host's descriptions, or as it is.
pub(super) async fn worded(api: &Api, path: &str, document: Bytes) -> Bytes {
    let Some(HostAccess::Host(host)) = &api.host else { return document };
    // Held while the host is asked: many tenants asking at once are one question.
    let mut documents = api.words.documents.lock().await;
    if let Some(found) = documents.get(path) {
        return found.clone();
    }
    let Ok(request) = http::Request::get(format!("/openapi/v3/{path}")).body(Vec::new()) else { return document };
    let answer = tokio::time::timeout(PATIENCE, host.request::<Value>(request)).await;
    let (Ok(Ok(theirs)), Ok(mut ours)) = (answer, serde_json::from_slice::<Value>(&document)) else { return document };
    schema::openapi::describe_alike(&mut ours, &theirs);
    let worded = Bytes::from(ours.to_string());
    documents.insert(path.to_owned(), worded.clone());
    worded
}
