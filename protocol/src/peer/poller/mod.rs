//! Tells which of many descriptors can be read: each once a time it is armed. And a timer.
//!
//! Linux has epoll and timerfd, which need not wake the sleeping thread to change what it waits for; elsewhere
//! poll(2) is woken to look again.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(any(not(target_os = "linux"), test))]
mod poll;

#[cfg(target_os = "linux")]
pub(super) use epoll::Poller;
#[cfg(not(target_os = "linux"))]
pub(super) use poll::Poller;

/// Names what is watched.
pub(super) type Token = u64;

/// What a poller tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// A descriptor of that token can be read, or has ended.
    Ready(Token),
    /// The timer that was set.
    Timer,
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::time::Duration;

    use super::*;

    macro_rules! behaves {
        ($name:ident, $poller:ty) => {
            #[test]
            fn $name() {
                let poller = <$poller>::new().unwrap();
                let (reader, writer) = os_pipe::pipe().unwrap();
                poller.add(reader.as_fd(), 7).unwrap();
                rustix::io::write(&writer, b"x").unwrap();
                // Not armed: only the timer is told of.
                poller.set_timer(Duration::from_millis(1));
                assert_eq!(poller.wait().unwrap(), [Told::Timer]);
                poller.arm(reader.as_fd(), 7);
                assert_eq!(poller.wait().unwrap(), [Told::Ready(7)]);
                // Once.
                poller.set_timer(Duration::from_millis(1));
                assert_eq!(poller.wait().unwrap(), [Told::Timer]);
                poller.arm(reader.as_fd(), 7);
                poller.disarm(reader.as_fd(), 7);
                poller.set_timer(Duration::from_millis(1));
                assert_eq!(poller.wait().unwrap(), [Told::Timer]);
                // The end is something to read, and what is armed while another waits is seen.
                std::thread::scope(|scope| {
                    let waited = scope.spawn(|| poller.wait().unwrap());
                    let mut byte = [0];
                    rustix::io::read(&reader, &mut byte).unwrap();
                    drop(writer);
                    poller.arm(reader.as_fd(), 7);
                    assert_eq!(waited.join().unwrap(), [Told::Ready(7)]);
                });
                poller.remove(reader.as_fd());
            }
        };
    }

    #[cfg(target_os = "linux")]
    behaves!(epoll_behaves, epoll::Poller);
    behaves!(poll_behaves, poll::Poller);
}
