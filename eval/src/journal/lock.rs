//! One writer at a time.

use crate::error::Error;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Name of the file that says which process writes to a run directory.
const FILE_NAME: &str = "lock";

/// Keeps other processes from writing to a run directory.
///
/// The operating system's lock on the journal is what counts: it is gone when the process is, however it ended. The
/// file beside it holds the process id for the message of whoever finds it locked; one that was left behind means
/// nothing and is replaced.
pub struct Lock {
    path: PathBuf,
}

impl Lock {
    /// Locks the journal of `directory`.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Output`].
    pub fn acquire(directory: &Path, journal: &File) -> Result<Self, Error> {
        let path = directory.join(FILE_NAME);
        match journal.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = std::fs::read_to_string(&path).unwrap_or_default();
                let process = process.trim().parse::<u32>().map(|id| format!(" (pid {id})")).unwrap_or_default();
                return Err(Error::Locked { directory: directory.to_path_buf(), process });
            }
            Err(TryLockError::Error(source)) => return Err(Error::Output { action: "lock", path, source }),
        }
        let written = File::create(&path).and_then(|mut file| writeln!(file, "{}", std::process::id()));
        written.map_err(|source| Error::Output { action: "create", path: path.clone(), source })?;
        Ok(Self { path })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Left behind it would do no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}
