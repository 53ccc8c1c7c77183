//! A call through a trait object in the same process: what any plugin system is compared with in the end.

use plugline_benches_driver::{Fault, Instance, Manager, System, UserList};

pub(crate) struct Direct;

pub(crate) struct InProcess(Box<dyn Manager>);

impl System for Direct {
    type Instance = InProcess;
    const BATCH: usize = 100;

    fn start(&self) -> Result<InProcess, Fault> {
        Ok(InProcess(std::hint::black_box(Box::new(UserList::default()))))
    }
}

impl Instance for InProcess {
    fn manager(&self) -> &dyn Manager {
        &*self.0
    }

    fn pid(&self) -> Option<u32> {
        None
    }
}
