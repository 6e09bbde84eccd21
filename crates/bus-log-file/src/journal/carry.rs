//! Keeping what the journal has of some sessions when all else of it goes.

use bus_log::{LogError, Result, ThreadKey};

use super::index::{RecordAt, records_of};
use super::record::Record;
use super::scan::Scan;
use super::writer::Journal;

/// Bytes of records that are written as one frame, but for the last.
const ENOUGH: usize = 1 << 20;

impl Journal {
    /// Writes what it has of some sessions once more, behind all that was written, and makes it durable: the segments
    /// before the one that is written now are not needed for them any more.
    ///
    /// # Errors
    ///
    /// Where it can't be read or written. It stays where it was; of frames that were not synced before, none counts.
    pub(crate) fn carry(&mut self, keys: &[ThreadKey]) -> Result<()> {
        let scan = self.scan()?;
        let before = self.bytes;
        let carried = self.carry_all(&scan, keys);
        // It makes no segment full: else each event behind it would have it carried on.
        self.bytes = before;
        if carried.is_err() {
            // What is lost is told by this: it is not to fail the next append too.
            let _ = self.sync();
        }
        carried
    }

    pub(super) fn carry_all(&mut self, scan: &Scan, keys: &[ThreadKey]) -> Result<()> {
        for (key, records) in keys.iter().zip(records_of(scan, keys)?) {
            self.carry_one(scan, key, records)?;
        }
        Ok(self.sync()?)
    }

    fn carry_one(&mut self, scan: &Scan, key: &ThreadKey, there: Vec<RecordAt>) -> Result<()> {
        let mut records = Vec::new();
        let mut len = 0;
        for at in there {
            let bytes = scan.bytes(at.segment, at.payload, at.payload_end())?;
            if bytes.len() as u64 != at.len {
                return Err(LogError::corrupt(
                    "a journal that changed while it was read",
                ));
            }
            len += bytes.len();
            records.push((at, bytes));
            if len >= ENOUGH {
                self.write_again(key, &records)?;
                records.clear();
                len = 0;
            }
        }
        if records.is_empty() {
            return Ok(());
        }
        self.write_again(key, &records)
    }

    fn write_again(&mut self, key: &ThreadKey, records: &[(RecordAt, Vec<u8>)]) -> Result<()> {
        self.write(|payload| {
            for (at, bytes) in records {
                let record = Record {
                    key,
                    first: at.first,
                    last: at.last,
                    position: at.position,
                    bytes,
                };
                record.write(payload);
            }
        })?;
        Ok(())
    }
}
