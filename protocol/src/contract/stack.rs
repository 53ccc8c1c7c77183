//! Room for work that goes deeper than the stack of whoever asks for it: schemas lead from one to the next, and values
//! nest. The one place of this module with a thread, which ends before the work is given back.

/// Enough for the longest way through a document that was checked; only what is used of it takes memory.
const STACK: usize = 512 << 20;

/// Does something on a stack that is large enough. `None` where the system has none to give.
pub(super) fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("plugline-deep".into()).stack_size(STACK);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}
