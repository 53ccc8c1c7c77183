//! The steps by which a child confines itself, and how it tells which of them failed: all that comes back from a child
//! that did not become the program is the number of an error, of which the upper bits are free.

use std::io;

/// One of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process) enum Step {
    User = 1,
    Namespace,
    Privileges,
    Bounds,
    Files,
    Calls,
}

const SHIFT: i32 = 16;
const ALL: [Step; 6] =
    [Step::User, Step::Namespace, Step::Privileges, Step::Bounds, Step::Files, Step::Calls];

impl Step {
    /// The outcome of this step; neither allocates nor locks.
    pub(in crate::process) fn of(self, outcome: io::Result<()>) -> io::Result<()> {
        outcome.map_err(|fault| {
            let number = fault.raw_os_error().unwrap_or(libc::EINVAL);
            io::Error::from_raw_os_error((self as i32) << SHIFT | number)
        })
    }

    /// Which step failed, and of what; nothing where it was none of them.
    pub(super) fn failed(fault: &io::Error) -> Option<(Self, io::Error)> {
        let number = fault.raw_os_error()?;
        let step = ALL.into_iter().find(|step| *step as i32 == number >> SHIFT)?;
        Some((step, io::Error::from_raw_os_error(number & ((1 << SHIFT) - 1))))
    }

    /// As errors say it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::User => "it cannot become the other user",
            Self::Namespace => "it cannot have a user namespace of its own",
            Self::Privileges => "it cannot give up its privileges",
            Self::Bounds => "its resources cannot be limited",
            Self::Files => "Landlock refuses to restrict it",
            Self::Calls => "the kernel refuses the filter of its system calls",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_comes_back_with_its_error() {
        for step in ALL {
            let fault = step.of(Err(io::Error::from_raw_os_error(libc::EPERM))).unwrap_err();
            let (found, fault) = Step::failed(&fault).unwrap();
            assert_eq!((found, fault.raw_os_error()), (step, Some(libc::EPERM)));
        }
        assert!(Step::failed(&io::Error::from_raw_os_error(libc::ENOENT)).is_none());
        assert!(Step::failed(&io::Error::other("none")).is_none());
    }
}
