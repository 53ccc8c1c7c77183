//! A channel of events that is bounded in bytes. Sending never waits: what nobody takes is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};

/// What waits to be taken.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    sender: Sender<E>,
    receiver: Receiver<E>,
    held: Arc<AtomicUsize>,
    dropped: AtomicU64,
}

/// The bytes that an event holds in its channel; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver, held: Arc::default(), dropped: AtomicU64::new(0) }
    }

    pub(crate) fn receiver(&self) -> Receiver<E> {
        self.receiver.clone()
    }

    /// What is held, by what waits and by what was taken and is still there; bytes.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// Adds an event of so many bytes, where no more than `most` wait then, or none does. It is made of how many before
    /// it were dropped, and of what it holds.
    pub(crate) fn send(&self, bytes: usize, most: usize, make: impl FnOnce(u64, Charge) -> E) {
        // In one step: what is dropped is never counted, so that nothing else is dropped for it.
        let room = |held: usize| (held == 0 || held + bytes <= most).then_some(held + bytes);
        if self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_err() {
            self.dropped.fetch_add(1, Ordering::AcqRel);
            return;
        }
        let charge = Charge { bytes, total: Arc::clone(&self.held) };
        let dropped = self.dropped.swap(0, Ordering::AcqRel);
        // The receiver lives in this struct.
        let _sent = self.sender.send(make(dropped, charge));
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn what_is_dropped_takes_no_room_from_others() {
        const TIMES: usize = 1_000_000;
        let (queue, barrier) = (Queue::new(), Barrier::new(2));
        // So that none is the one that always may.
        queue.send(1, 100, |_, charge| charge);
        let _held = queue.receiver().recv().unwrap();
        let other = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..TIMES {
                    queue.send(1000, 100, |_, charge| charge);
                }
                other.store(1, Ordering::Release);
            });
            barrier.wait();
            while other.load(Ordering::Acquire) == 0 {
                queue.send(1, 100, |_, charge| charge);
                assert!(queue.receiver().try_recv().is_ok(), "there was room for it");
            }
        });
    }

    #[test]
    fn what_is_taken_makes_room_and_what_was_dropped_is_told_with_the_next() {
        let queue = Queue::new();
        let send = |bytes| queue.send(bytes, 100, |dropped, charge| (dropped, charge));
        send(1000); // One always may wait …
        send(1); // … and then nothing else.
        send(1);
        assert_eq!(queue.receiver().try_iter().map(|(dropped, _)| dropped).collect::<Vec<_>>(), [0]);
        send(60);
        send(40);
        send(1);
        let taken: Vec<_> = queue.receiver().try_iter().collect();
        assert_eq!(taken.iter().map(|(dropped, _)| *dropped).collect::<Vec<_>>(), [2, 0]);
        // What was taken and is still there counts.
        send(1);
        assert!(queue.receiver().is_empty());
        drop(taken);
        send(100);
        assert_eq!(queue.receiver().try_recv().unwrap().0, 2);
    }
}
