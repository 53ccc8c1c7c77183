//! In place of `dispatch.rs`: a digit is the answer to that call, `r` a request, `n` a notification.

use std::sync::atomic::Ordering;

use crate::answer::Flush;
use crate::connection::Connection;
use crate::error::CloseReason;
use crate::returned::Returned;
use crate::work::Work;
use crate::workers;

#[expect(clippy::unnecessary_wraps, reason = "what it stands for can fail")]
pub(super) fn take(connection: &Connection, message: u8) -> Result<Option<Work>, CloseReason> {
    let inner = &connection.inner;
    match message {
        b'r' => return Ok(Some(Work { connection: connection.clone() })),
        b'n' => connection.hear(),
        digit => {
            let id = usize::from(digit - b'0');
            inner.answers[id].fetch_add(1, Ordering::Relaxed);
            inner.slots[id].settle(Ok(Returned));
        }
    }
    Ok(None)
}

pub(super) fn hand_over(_: &Connection, work: Work) {
    let _ = workers::spawn(Box::new(move || work.run(Flush::Now)));
}
