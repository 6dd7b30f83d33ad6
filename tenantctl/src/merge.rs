//! Adds a context to the user's kubeconfig without touching anything else in it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::{Error, output};

/// Adds cluster, user and context of a kubeconfig under one name to a file, replacing what has that name. The file is
/// replaced as a whole or not at all; kubectl's lock file keeps kubectl out meanwhile. Comments are lost, as with
/// kubectl.
///
/// Errors: [`Error::File`], [`Error::Locked`].
pub(crate) fn into_file(path: &Path, kubeconfig: &str, name: &str) -> Result<(), Error> {
    let failed = |reason: String| Error::File { path: path.to_owned(), reason };
    // A link stays a link; what it leads to is replaced.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|error| failed(error.to_string()))?;
    }
    let _lock = Lock::take(path)?;
    let existing = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error.to_string())),
    };
    let mode = fs::metadata(path).map_or(0o600, |metadata| metadata.permissions().mode() & 0o777);
    let merged = merge(&parse(&existing).map_err(&failed)?, &parse(kubeconfig).map_err(&failed)?, name);
    let text = output::yaml(&merged.map_err(&failed)?)?;
    replace(path, &text, mode).map_err(|error| failed(error.to_string()))
}

/// Writes a file that is complete or absent, with the given mode.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.part", std::process::id()));
    let partial = PathBuf::from(partial);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&partial)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

/// kubectl's lock: `<file>.lock`, held by whoever made it.
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> Result<Self, Error> {
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        match File::create_new(&lock) {
            Ok(_) => Ok(Self(lock)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Error::Locked(lock)),
            Err(error) => Err(Error::File { path: lock, reason: error.to_string() }),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn parse(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(json!({"apiVersion": "v1", "kind": "Config"}));
    }
    serde_saphyr::from_str(text).map_err(|error| format!("not a kubeconfig: {error}"))
}

/// Pure part: `existing` with the current context of `added` under `name`. The current context of `existing` stays.
fn merge(existing: &Value, added: &Value, name: &str) -> Result<Value, String> {
    let mut merged = existing.as_object().cloned().ok_or("not a kubeconfig: no mapping")?;
    let current = added["current-context"].as_str().unwrap_or_default();
    let context =
        entry(added, "contexts", current, "context").ok_or("the tenant's kubeconfig has no current context")?;
    let part = |list: &str, key: &str| {
        let wanted = context[key].as_str().unwrap_or_default();
        entry(added, list, wanted, key).ok_or_else(|| format!("the tenant's kubeconfig has no {key} {wanted:?}"))
    };
    let (cluster, user) = (part("clusters", "cluster")?, part("users", "user")?);
    let mut context = context.as_object().cloned().unwrap_or_default();
    context.insert("cluster".to_owned(), json!(name));
    context.insert("user".to_owned(), json!(name));
    put(&mut merged, "clusters", "cluster", name, &cluster)?;
    put(&mut merged, "users", "user", name, &user)?;
    put(&mut merged, "contexts", "context", name, &Value::Object(context))?;
    if merged.get("current-context").and_then(Value::as_str).unwrap_or_default().is_empty() {
        merged.insert("current-context".to_owned(), json!(name));
    }
    Ok(Value::Object(merged))
}

fn entry(config: &Value, list: &str, name: &str, key: &str) -> Option<Value> {
    let entry = config[list].as_array()?.iter().find(|entry| entry["name"] == name)?;
    Some(entry[key].clone())
}

fn put(config: &mut Map<String, Value>, list: &str, key: &str, name: &str, value: &Value) -> Result<(), String> {
    let slot = config.entry(list).or_insert_with(|| json!([]));
    if slot.is_null() {
        *slot = json!([]);
    }
    let entries = slot.as_array_mut().ok_or_else(|| format!("not a kubeconfig: {list} is no list"))?;
    let entry = json!({"name": name, key: value});
    match entries.iter_mut().find(|entry| entry["name"] == name) {
        Some(old) => *old = entry,
        None => entries.push(entry),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
