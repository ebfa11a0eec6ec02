//! A bound on the memory that a reader takes.
//!
//! The allocator of all targets counts what is held, and aborts where more is asked for than a
//! reader may have, so that libFuzzer keeps the input and shows who asked.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that a reader may hold for each byte of its input.
const PER_BYTE: usize = 10;
/// Bytes that it may hold besides, whatever its input is: tables that are made once, and the trees
/// of short JSON, of which each value takes many times the bytes that it is written in. The largest of
/// all is room for the 65,535 messages that an object header of HDF5 can claim, 4.5 MiB.
const CONSTANT: usize = 8 << 20;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Runs a reader on an input of so many bytes.
///
/// The process ends if the reader takes more than ten times as much memory, and eight MiB.
pub fn bounded<R>(input_bytes: usize, read: impl FnOnce() -> R) -> R {
    MOST.store(HELD.load(Relaxed) + PER_BYTE * input_bytes + CONSTANT, Relaxed);
    let result = read();
    MOST.store(usize::MAX, Relaxed);
    result
}

struct Counting;

impl Counting {
    fn take(&self, bytes: usize) {
        let held = HELD.fetch_add(bytes, Relaxed) + bytes;
        let most = MOST.load(Relaxed);
        if held > most {
            // What is told of it takes memory too.
            MOST.store(usize::MAX, Relaxed);
            let trace = Backtrace::force_capture();
            eprintln!("{bytes} bytes are asked for; with them {held} are held, of {most}\n{trace}");
            std::process::abort();
        }
    }
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size());
        // SAFETY: the caller's promise is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be held for a moment.
        self.take(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(place, layout, size) }
    }
}
