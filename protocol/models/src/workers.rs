//! In place of `workers.rs`: what a worker is to do is done by whoever runs [`watch`](crate::watch::watch).

use crate::system::change;

pub(super) type Job = Box<dyn FnOnce() + Send>;

#[expect(clippy::unnecessary_wraps, reason = "what it stands for can fail")]
pub(super) fn spawn(job: Job) -> Result<(), Job> {
    change(|state| state.jobs.push_back(job));
    Ok(())
}
