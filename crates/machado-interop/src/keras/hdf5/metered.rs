//! The bytes of an HDF5 file, of which no more are read at a time than there are.
//!
//! An honest file has each of its structures once. A crafted one can point twice to a structure that
//! points twice to the next one, and so on, so that a kilobyte is read for years; or it gives all
//! members of a group one name of a megabyte. `hdf5-pure` follows what a file says; here it runs out
//! of bytes instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use hdf5_pure::{FormatError, Source};

/// Bytes that may be read besides: some structures are read again after their beginning.
const BESIDES: u64 = 64 << 10;

/// What a read costs at least, whatever its length.
const LEAST: u64 = 16;

/// The longest name of a group or an array; Keras' are those of classes.
const LONGEST_NAME: usize = 255;

/// An HDF5 file in memory.
pub(super) struct Metered {
    bytes: Vec<u8>,
    allowance: Allowance,
    /// Whether the read before was of the head of a heap, so that the next one is of its names.
    has_names_next: AtomicBool,
}

/// Bytes that may still be read.
#[derive(Clone)]
pub(super) struct Allowance {
    left: Arc<AtomicU64>,
    whole: u64,
}

impl Allowance {
    /// Begins anew: the next array may again read as much as there is.
    pub(super) fn renew(&self) {
        self.left.store(self.whole, Relaxed);
    }

    fn take(&self, bytes: usize) -> Result<(), FormatError> {
        let cost = LEAST.max(bytes as u64);
        // One thread reads a file, so nothing comes between.
        let Some(left) = self.left.load(Relaxed).checked_sub(cost) else {
            let problem = "its structures point to one another again and again";
            return Err(FormatError::Source(problem.into()));
        };
        self.left.store(left, Relaxed);
        Ok(())
    }
}

impl Metered {
    /// The file of these bytes, and what may be read of it.
    pub(super) fn new(bytes: Vec<u8>) -> (Self, Allowance) {
        let whole = BESIDES + bytes.len() as u64;
        let allowance = Allowance { left: Arc::new(AtomicU64::new(whole)), whole };
        let has_names_next = AtomicBool::new(false);
        (Self { bytes, allowance: allowance.clone(), has_names_next }, allowance)
    }
}

impl Source for Metered {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), FormatError> {
        let available = self.bytes.len();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = self.bytes.get(start..).and_then(|rest| rest.get(..buf.len()));
        let Some(found) = found else {
            let expected = start.saturating_add(buf.len());
            return Err(FormatError::UnexpectedEof { expected, available });
        };
        self.allowance.take(found.len())?;
        let is_of_names = self.has_names_next.swap(found.starts_with(b"HEAP"), Relaxed);
        if is_of_names && found.split(|&byte| byte == 0).any(|name| name.len() > LONGEST_NAME) {
            let problem = format!("a group has a name of more than {LONGEST_NAME} bytes");
            return Err(FormatError::Source(problem));
        }
        buf.copy_from_slice(found);
        Ok(())
    }
}
