//! The tables of the embedded engine.
//!
//! `log` has every change, by revision; `current` says for each key which revision it has. A value is stored once, in
//! the log. Compaction (`compact.rs`) removes changes that are superseded and that no watch can ask for any more.

use crate::encode::Encoded;
use crate::engine::{Body, Change, EngineError, Operation};
use crate::key::{Key, tenant_range};
use crate::revision::Revision;
use rusqlite::{Connection, ErrorCode, params};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;
use tenancy::TenantId;

const FORMAT: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
  revision INTEGER PRIMARY KEY,
  previous INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  key BLOB NOT NULL,
  value BLOB
);
CREATE TABLE IF NOT EXISTS current (key BLOB PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
";

const PUT: i64 = 0;
const DELETE: i64 = 1;
const TOMBSTONE: i64 = 2;

pub(super) fn is_delete(kind: i64) -> bool {
    kind == DELETE
}

/// A failed statement.
#[derive(Debug)]
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    Corrupt(String),
}

impl Failure {
    /// Whether the database cannot be trusted with more writes in this process. A full disk can.
    pub(super) fn fatal(&self) -> bool {
        !matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Sqlite(error) => Self::Storage(error.to_string().into()),
            Failure::Corrupt(text) => Self::Corrupt(text.into()),
        }
    }
}

/// The open database.
pub(super) struct Rows {
    pub(super) connection: Connection,
    /// The newest revision committed.
    pub(super) revision: Revision,
    /// Superseded rows up to here are forgotten.
    pub(super) floor: Revision,
    /// The newest revision when compaction last looked; older when there was more to do.
    pub(super) looked: Revision,
    /// Written to since the last checkpoint.
    pub(super) dirty: bool,
}

impl Rows {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, EngineError> {
        let connection = match path {
            Some(path) => {
                private(path).map_err(|error| EngineError::Storage(format!("{}: {error}", path.display()).into()))?;
                Connection::open(path)
            }
            None => Connection::open_in_memory(),
        };
        let connection = connection.map_err(Failure::from)?;
        Ok(Self::prepare(connection)?)
    }

    fn prepare(connection: Connection) -> Result<Self, Failure> {
        connection.busy_timeout(Duration::from_millis(200))?;
        // Exclusive: a second process on the same file is refused instead of corrupting our revisions.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -8192)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
        connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
        connection.execute_batch(SCHEMA)?;
        connection.set_prepared_statement_cache_capacity(32);
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?1), ('floor', 1)", [FORMAT])?;
        let meta = |name: &str| {
            connection.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get::<_, i64>(0))
        };
        let format = meta("format")?;
        if format != FORMAT {
            return Err(Failure::Corrupt(format!("format {format}, this program knows {FORMAT}")));
        }
        let floor = revision(meta("floor")?)?;
        let newest: Option<i64> = connection.query_row("SELECT max(revision) FROM log", [], |row| row.get(0))?;
        // Compaction removes only what is not above the floor, so no revision given out before is above both.
        let newest = revision(newest.unwrap_or(0))?.max(floor).max(Revision::FIRST);
        Ok(Self { connection, revision: newest, floor, looked: floor, dirty: false })
    }

    pub(super) fn replay(&mut self, each: &mut dyn FnMut(Change)) -> Result<(), Failure> {
        let mut select = self.connection.prepare("SELECT revision, kind, key, value FROM log ORDER BY revision")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(0)?;
            let unreadable = |what: &str| Failure::Corrupt(format!("{what} of revision {at}"));
            let key = Key::decode(row.get_ref(2)?.as_blob().map_err(|_| unreadable("key"))?)
                .map_err(|_| unreadable("key"))?;
            let value: Option<Vec<u8>> = row.get(3)?;
            let encoded = match value {
                Some(bytes) => Some(Encoded::from_stored(bytes).ok_or_else(|| unreadable("value"))?),
                None => None,
            };
            let body = match (row.get::<_, i64>(1)?, encoded) {
                (PUT, Some(encoded)) => Body::Put(encoded),
                (DELETE, last) => Body::Delete(last),
                (TOMBSTONE, last) => Body::Tombstone(last),
                _ => return Err(unreadable("kind")),
            };
            each(Change { revision: revision(at)?, key, body });
        }
        Ok(())
    }

    /// Runs `work` in one durable transaction.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let transaction = self.connection.transaction()?;
        let mut batch = Batch { connection: &transaction, revision: self.revision };
        let result = work(&mut batch)?;
        let revision = batch.revision;
        if revision == self.revision {
            transaction.rollback()?;
            return Ok(result);
        }
        transaction.commit()?;
        self.revision = revision;
        self.dirty = true;
        Ok(result)
    }
}

/// Creates the file readable by its owner only: it holds every tenant's secrets. SQLite's other files take its mode.
fn private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

/// An open transaction.
pub(super) struct Batch<'c> {
    connection: &'c Connection,
    revision: Revision,
}

impl Batch<'_> {
    /// Executes operations that belong together. Returns the revision of the first (the others follow), or `None` and
    /// no change when a row does not have the revision it is to have.
    pub(super) fn execute(&mut self, operations: &[Operation]) -> Result<Option<Revision>, Failure> {
        let before = self.revision;
        // A single operation fails at its first statement, before it has changed anything.
        let guarded = operations.len() > 1;
        if guarded {
            self.connection.prepare_cached("SAVEPOINT together")?.execute([])?;
        }
        for operation in operations {
            if self.one(operation)? {
                continue;
            }
            if guarded {
                self.connection.prepare_cached("ROLLBACK TO together")?.execute([])?;
                self.connection.prepare_cached("RELEASE together")?.execute([])?;
            }
            self.revision = before;
            return Ok(None);
        }
        if guarded {
            self.connection.prepare_cached("RELEASE together")?.execute([])?;
        }
        Ok(Some(before.next()))
    }

    fn one(&mut self, operation: &Operation) -> Result<bool, Failure> {
        let key = operation.key.encode().map_err(|error| Failure::Corrupt(error.to_string()))?;
        let revision = self.revision.next();
        let (now, was) = (number(revision)?, number(operation.modified)?);
        let (kind, value) = match &operation.body {
            Body::Put(encoded) => (PUT, Some(encoded)),
            Body::Delete(last) => (DELETE, last.as_ref()),
            Body::Tombstone(last) => (TOMBSTONE, last.as_ref()),
        };
        let changed = match (kind, was) {
            (DELETE, _) => self
                .connection
                .prepare_cached("DELETE FROM current WHERE key = ?1 AND revision = ?2")?
                .execute(params![key, was])?,
            (_, 0) => self
                .connection
                .prepare_cached("INSERT OR IGNORE INTO current (key, revision) VALUES (?1, ?2)")?
                .execute(params![key, now])?,
            _ => self
                .connection
                .prepare_cached("UPDATE current SET revision = ?2 WHERE key = ?1 AND revision = ?3")?
                .execute(params![key, now, was])?,
        };
        if changed == 0 {
            return Ok(false);
        }
        self.log(revision, was, kind, &key, value)?;
        Ok(true)
    }

    fn log(&mut self, at: Revision, was: i64, kind: i64, key: &[u8], value: Option<&Encoded>) -> Result<(), Failure> {
        self.connection
            .prepare_cached("INSERT INTO log (revision, previous, kind, key, value) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![number(at)?, was, kind, key, value.map(Encoded::as_stored)])?;
        self.revision = at;
        Ok(())
    }

    /// Deletes at most `limit` rows of a tenant.
    pub(super) fn clear(&mut self, tenant: TenantId, limit: usize) -> Result<Vec<Change>, Failure> {
        let (start, end) = tenant_range(tenant);
        let found: Vec<(Vec<u8>, i64)> = {
            let mut select = self.connection.prepare_cached(
                "SELECT key, revision FROM current WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            select
                .query_map(params![start, end, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?
        };
        let mut changes = Vec::with_capacity(found.len());
        for (bytes, was) in found {
            let key = Key::decode(&bytes).map_err(|error| Failure::Corrupt(error.to_string()))?;
            self.connection.prepare_cached("DELETE FROM current WHERE key = ?1")?.execute([&bytes])?;
            let revision = self.revision.next();
            self.log(revision, was, DELETE, &bytes, None)?;
            changes.push(Change { revision, key, body: Body::Delete(None) });
        }
        Ok(changes)
    }
}

pub(super) fn revision(number: i64) -> Result<Revision, Failure> {
    u64::try_from(number).map(Revision).map_err(|_| Failure::Corrupt(format!("revision {number}")))
}

pub(super) fn number(revision: Revision) -> Result<i64, Failure> {
    i64::try_from(revision.0).map_err(|_| Failure::Corrupt(format!("revision {revision}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Draft, encode};
    use crate::key::Collection;

    fn put(name: &str, modified: u64) -> Operation {
        let key = Key::new(TenantId::from_uid("t"), &Collection::new("", "pods"), "n", name);
        let encoded = encode(&key, &Draft::new(serde_json::json!({}))).unwrap();
        Operation { key, modified: Revision(modified), body: Body::Put(encoded), old: None }
    }

    fn delete(name: &str, modified: u64) -> Operation {
        Operation { body: Body::Delete(None), ..put(name, modified) }
    }

    fn keys(rows: &mut Rows) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        rows.replay(&mut |change| found.push((change.revision.0, change.key.name.to_string()))).unwrap();
        found
    }

    #[test]
    fn a_transaction_with_one_stale_row_leaves_no_trace_and_no_gap() {
        let mut rows = Rows::open(None).unwrap();
        let first = rows
            .transaction(|batch| {
                let stale = batch.execute(&[put("a", 0), put("b", 0), put("c", 7)])?;
                assert_eq!(stale, None);
                batch.execute(&[put("a", 0), put("b", 0)])
            })
            .unwrap();
        assert_eq!(first, Some(Revision(2)));
        for stale in [put("a", 0), put("a", 3), put("x", 2), delete("a", 3), delete("x", 2)] {
            assert_eq!(rows.transaction(|batch| batch.execute(&[stale])).unwrap(), None);
        }
        let next = rows.transaction(|batch| batch.execute(&[delete("b", 3), put("a", 2), put("c", 0)])).unwrap();
        assert_eq!(next, Some(Revision(4)));
        let expected = [(2, "a"), (3, "b"), (4, "b"), (5, "a"), (6, "c")].map(|(at, name)| (at, name.to_owned()));
        assert_eq!(keys(&mut rows), expected);
    }

    #[test]
    fn a_full_disk_refuses_writes_and_harms_nothing() {
        let mut rows = Rows::open(None).unwrap();
        let large = |name: String| {
            let Operation { key, modified, old, .. } = put(&name, 0);
            let encoded = encode(&key, &Draft::new(serde_json::json!({"data": "x".repeat(10_000)}))).unwrap();
            Operation { key, modified, body: Body::Put(encoded), old }
        };
        rows.connection.pragma_update_and_check(None, "max_page_count", 40, |_| Ok(())).unwrap();
        let write = |rows: &mut Rows, i: u64| rows.transaction(|batch| batch.execute(&[large(format!("{i}"))]));
        let full = (0..100).find_map(|i| write(&mut rows, i).err().map(|failure| (i, failure)));
        let (written, failure) = full.unwrap();
        assert!(!failure.fatal(), "{failure:?}");
        assert_eq!(rows.revision, Revision(1 + written));
        rows.connection.pragma_update_and_check(None, "max_page_count", 4000, |_| Ok(())).unwrap();
        assert_eq!(write(&mut rows, written).unwrap(), Some(Revision(2 + written)));
        assert_eq!(keys(&mut rows).len() as u64, written + 1);
    }

    #[test]
    fn clearing_takes_the_rows_of_one_tenant_in_steps() {
        let mut rows = Rows::open(None).unwrap();
        let other = Key { tenant: TenantId::from_uid("u"), ..put("z", 0).key };
        let kept = Operation { key: other.clone(), ..put("z", 0) };
        let all = [put("a", 0), put("b", 0), put("c", 0), kept];
        rows.transaction(|batch| batch.execute(&all)).unwrap();
        let mut step = |limit| rows.transaction(|batch| batch.clear(TenantId::from_uid("t"), limit)).unwrap().len();
        assert_eq!([step(2), step(2), step(2)], [2, 1, 0]);
        let left: i64 = rows.connection.query_row("SELECT count(*) FROM current", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 1);
    }

    #[test]
    fn compaction_keeps_what_a_watch_from_the_floor_needs() {
        let mut rows = Rows::open(None).unwrap();
        for operation in [put("a", 0), put("a", 2), put("b", 0), put("a", 3), delete("b", 4)] {
            rows.transaction(|batch| batch.execute(&[operation])).unwrap().unwrap();
        }
        assert!(!rows.compact(Revision(3)).unwrap());
        // 2 was superseded at 3. 3 and 4 are superseded later: the old sides of the events after the floor.
        let expected = [(3, "a"), (4, "b"), (5, "a"), (6, "b")].map(|(at, name)| (at, name.to_owned()));
        assert_eq!(keys(&mut rows), expected);
        rows.compact(Revision(100)).unwrap();
        assert_eq!(keys(&mut rows), [(5, "a".to_owned())]);
        assert_eq!((rows.floor, rows.revision), (Revision(6), Revision(6)));
    }
}
