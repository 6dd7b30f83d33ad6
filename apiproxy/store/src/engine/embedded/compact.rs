//! Forgetting: superseded rows below the floor go, the write-ahead log is folded into the database, free pages are
//! given back to the file system.

use super::rows::{Failure, Rows, is_delete, number, revision};
use crate::revision::Revision;
use rusqlite::params;

/// Log rows looked at in one transaction, so that writers do not wait long.
const STEP: usize = 2000;
/// Free pages given back in one go.
const VACUUM_PAGES: i64 = 4000;

impl Rows {
    /// Whether so much was written since the last look that the log should be compacted before the next tick.
    pub(super) fn worth_compacting(&self) -> bool {
        self.revision.0 - self.looked.0 > 2 * STEP as u64
    }

    /// Removes what is superseded up to `target`: one step of it. Returns whether there is more to do.
    pub(super) fn compact(&mut self, target: Revision) -> Result<bool, Failure> {
        self.looked = self.revision;
        let target = target.min(self.revision);
        if target <= self.floor {
            return Ok(false);
        }
        let transaction = self.connection.transaction()?;
        let rows: Vec<(i64, i64, i64)> = {
            let mut select = transaction.prepare_cached(
                "SELECT revision, previous, kind FROM log WHERE revision > ?1 AND revision <= ?2 ORDER BY revision LIMIT ?3",
            )?;
            let bounds = params![number(self.floor)?, number(target)?, STEP as i64];
            select.query_map(bounds, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?
        };
        let mut floor = target;
        if rows.len() == STEP
            && let Some((last, _, _)) = rows.last()
        {
            floor = revision(*last)?;
        }
        {
            let mut delete = transaction.prepare_cached("DELETE FROM log WHERE revision = ?1")?;
            for (at, previous, kind) in rows {
                if previous != 0 {
                    delete.execute([previous])?;
                }
                if is_delete(kind) {
                    delete.execute([at])?;
                }
            }
        }
        transaction.execute("UPDATE meta SET value = ?1 WHERE name = 'floor'", [number(floor)?])?;
        transaction.commit()?;
        self.floor = floor;
        self.dirty = true;
        if floor < target {
            // Have another look soon.
            self.looked = Revision::NONE;
        }
        Ok(floor < target)
    }

    /// Gives some free pages back to the file system when a quarter of the file or more is free.
    pub(super) fn vacuum(&mut self) -> Result<(), Failure> {
        let count = |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (free, all) = (count("freelist_count")?, count("page_count")?);
        if free > 256 && free > all / 4 {
            let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
            self.dirty = true;
        }
        Ok(())
    }

    /// Folds the write-ahead log into the database, to its end, and truncates it.
    pub(super) fn checkpoint(&mut self) -> Result<(), Failure> {
        if self.dirty {
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            self.dirty = false;
        }
        Ok(())
    }
}
