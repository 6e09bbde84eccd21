//! What the disk allows: writes into a file whose blocks are all there, and syncs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::Result;

const BLOCK: usize = 4096;
const FILE_BYTES: usize = 64 << 20;

/// A preallocated file, written in place, over and over.
pub(crate) struct Raw {
    file: File,
    block: Vec<u8>,
    position: usize,
}

impl Raw {
    /// With writes of `bytes`, rounded up to whole blocks.
    pub(crate) fn open(dir: &Path, bytes: usize) -> Result<Self> {
        let file = File::create(dir.join("raw"))?;
        let filler = vec![0x5a; 1 << 20];
        for position in (0..FILE_BYTES).step_by(filler.len()) {
            file.write_all_at(&filler, position as u64)?;
        }
        file.sync_all()?;
        Ok(Self {
            file,
            block: vec![0xa5; bytes.next_multiple_of(BLOCK)],
            position: 0,
        })
    }

    /// One `pwrite`, one `fdatasync`.
    pub(crate) fn write(&mut self) -> Result<()> {
        if self.position + self.block.len() > FILE_BYTES {
            self.position = 0;
        }
        self.file.write_all_at(&self.block, self.position as u64)?;
        self.file.sync_data()?;
        self.position += self.block.len();
        Ok(())
    }
}
