//! The bytes of a weight file, mapped or read.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;

use crate::error::Error;

/// How the bytes of weight files are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Memory-mapped: starts at once and shares pages with other processes. The files must not be written to
    /// meanwhile; truncating one ends the program with SIGBUS.
    #[default]
    Mapped,
    /// Read into memory (`--no-mmap`): independent of what happens to the files afterwards.
    Read,
}

/// Bytes of a weight file and what keeps them alive.
pub(crate) enum FileBytes {
    /// The file mapped read-only; the handle tells whether its length is still the same.
    Mapped(Mmap, File),
    /// A buffer.
    Owned(Vec<u8>),
    /// Part of the program.
    Embedded(&'static [u8]),
}

impl FileBytes {
    /// The bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map, _) => map,
            Self::Owned(bytes) => bytes,
            Self::Embedded(bytes) => bytes,
        }
    }

    /// Gives the memory of `range` back where it is a file's and can be read again; its bytes stay what they are.
    pub(crate) fn release(&self, range: Range<usize>) {
        match self {
            Self::Mapped(map, _) => release(map, range),
            Self::Owned(_) | Self::Embedded(_) => {}
        }
    }

    /// Maps or reads the file at `path`.
    pub(crate) fn open(path: &Path, reading: Reading) -> Result<Self, Error> {
        let io = |source| Error::Io { file: path.to_path_buf(), source };
        let mut file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(io(std::io::Error::other("not a regular file")));
        }
        // An empty file cannot be mapped everywhere; the header parser then says what is wrong with it.
        if metadata.len() == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        match reading {
            Reading::Mapped => Ok(Self::Mapped(map(&file).map_err(io)?, file)),
            Reading::Read => {
                let len = usize::try_from(metadata.len()).map_err(|_| io(std::io::ErrorKind::FileTooLarge.into()))?;
                let mut bytes = Vec::new();
                bytes.try_reserve_exact(len).map_err(|_| io(std::io::ErrorKind::OutOfMemory.into()))?;
                (&mut file).take(metadata.len()).read_to_end(&mut bytes).map_err(io)?;
                Ok(Self::Owned(bytes))
            }
        }
    }

    /// Fails when the file under a map has another length than the map: its bytes must not be touched then.
    pub(crate) fn check_length(&self, path: &Path) -> Result<(), Error> {
        let Self::Mapped(map, file) = self else {
            return Ok(());
        };
        let found = file.metadata().map_err(|source| Error::Io { file: path.to_path_buf(), source })?;
        if found.len() == map.len() as u64 {
            return Ok(());
        }
        Err(Error::Changed {
            file: path.to_path_buf(),
            expected: format!("{} bytes", map.len()),
            found: format!("{} bytes", found.len()),
        })
    }
}

/// Gives the memory of the pages inside `range` of a map back; they are read again when they are touched.
#[cfg(unix)]
#[allow(unsafe_code)]
fn release(map: &Mmap, range: Range<usize>) {
    // Where pages are larger, neighbours on the first and the last of them are given back too, and read again.
    let start = range.start.next_multiple_of(SMALLEST_PAGE);
    let end = if range.end == map.len() { range.end } else { range.end / SMALLEST_PAGE * SMALLEST_PAGE };
    if start < end {
        // SAFETY: the map is of a file and was never written to, so a page that is given back and touched again holds
        // what it held before: the file's bytes, under the condition of `map` below.
        let advised = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start) };
        // A system that does not take the advice keeps the pages: nothing but memory is lost.
        _ = advised;
    }
}

#[cfg(not(unix))]
fn release(_: &Mmap, _: Range<usize>) {}

/// Bytes of the smallest page there is.
#[cfg(unix)]
const SMALLEST_PAGE: usize = 4096;

/// Maps a file read-only.
#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is private and read-only, so this program never writes through it. That nobody else edits or
    // truncates the file meanwhile cannot be enforced by an operating system without mandatory locks: it is the
    // documented condition of `Reading::Mapped`, every bit pattern is a valid u8, `checkpoint::Checkpoint::verify_unchanged`
    // detects edits, and `Reading::Read` is the way out.
    unsafe { memmap2::MmapOptions::new().map_copy_read_only(file) }
}
