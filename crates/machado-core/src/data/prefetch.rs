//! Preparing batches on another thread while the last one is being computed.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use crate::error::{Error, Result};

/// An iterator that runs on a thread of its own, a few items ahead.
#[derive(Debug)]
pub struct Prefetch<T> {
    /// `None` only while being dropped.
    items: Option<Receiver<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Runs `iterator` on another thread, at most `ahead` items before they are asked for.
    ///
    /// # Errors
    /// If the system refuses to start the thread.
    pub fn new(
        mut iterator: impl Iterator<Item = T> + Send + 'static,
        ahead: usize,
    ) -> Result<Self> {
        let (sender, items) = sync_channel(ahead);
        // Sending fails once the other end is dropped: then nobody wants the rest.
        let work = move || {
            let _ = iterator.try_for_each(|item| sender.send(item));
        };
        let thread = std::thread::Builder::new()
            .name("machado-batches".into())
            .spawn(work)
            .map_err(|source| Error::Thread { purpose: "prepare batches", source })?;
        Ok(Self { items: Some(items), thread: Some(thread) })
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.items.as_ref()?.recv().ok()
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.items = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_items_come_in_order() {
        assert!(Prefetch::new(0..1000, 2).expect("a thread").eq(0..1000));
    }

    #[test]
    fn dropping_it_early_ends_the_thread() {
        let mut numbers = Prefetch::new(0.., 2).expect("a thread");
        assert_eq!(numbers.next(), Some(0));
        drop(numbers);
    }
}
