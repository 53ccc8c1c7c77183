//! The thread that forks. Linux sends the parent-death signal when the *thread* that forked ends, so one that
//! lives as long as the process does all of it.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;

use crossbeam_channel::{Sender, bounded};

struct Order {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

/// Starts a child. The command is dropped before this returns, and with it the host's copies of the child's
/// pipe ends: while they are open there is no end of file.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    static ORDERS: OnceLock<Result<Sender<Order>, io::ErrorKind>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (orders, queue) = bounded::<Order>(0);
        std::thread::Builder::new()
            .name("plugline-spawner".into())
            .spawn(move || {
                for Order { mut command, reply } in queue {
                    let child = command.spawn();
                    drop(command);
                    reply.send(child).expect("whoever ordered waits for the reply");
                }
            })
            .map(|_| orders)
            .map_err(|fault| fault.kind())
    });
    let orders = orders.as_ref().map_err(|kind| io::Error::from(*kind))?;
    let (reply, child) = bounded(1);
    orders.send(Order { command, reply }).expect("the spawner never ends");
    child.recv().expect("the spawner replies to every order")
}
