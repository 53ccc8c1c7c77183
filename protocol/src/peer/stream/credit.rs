//! The arithmetic of credit: what a sender may still send, and what a receiver owes it.

/// What the sender of a stream may still send, as it knows it itself, or as its receiver knows it.
///
/// The receiver counts a grant before it sends it, the sender when it has come: so the receiver never knows of
/// less than the sender, and a line for which it knows of no credit was sent without any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credit {
    /// Bytes. Below zero by what the last line overdrew.
    left: i64,
}

/// There is no credit left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent;

impl Credit {
    pub(super) fn new(window: usize) -> Self {
        Self { left: bytes(window as u64) }
    }

    /// Counts a line that is sent, or that came. One line may overdraw what is left, where anything is.
    pub(super) fn spend(&mut self, line: usize) -> Result<(), Spent> {
        if self.is_spent() {
            return Err(Spent);
        }
        self.left = self.left.saturating_sub(bytes(line as u64));
        Ok(())
    }

    pub(super) fn give(&mut self, more: u64) {
        self.left = self.left.saturating_add(bytes(more));
    }

    fn is_spent(self) -> bool {
        self.left <= 0
    }
}

fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What a consumer has taken and its sender was not told of yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    bytes: u64,
    /// Half a window: at the latest then the sender is told.
    due: u64,
}

impl Taken {
    pub(super) fn new(window: usize) -> Self {
        Self { bytes: 0, due: window as u64 / 2 }
    }

    /// Counts what was taken; says what to grant, where a grant is due.
    pub(super) fn count(&mut self, more: usize) -> Option<u64> {
        self.bytes += more as u64;
        (self.bytes >= self.due).then(|| std::mem::take(&mut self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_line_overdraws() {
        let mut credit = Credit::new(100);
        assert_eq!(credit.spend(99), Ok(()));
        assert_eq!(credit.spend(80), Ok(()));
        assert_eq!(credit.spend(1), Err(Spent));
        credit.give(79);
        assert_eq!(credit.spend(1), Err(Spent));
        credit.give(1);
        assert!(!credit.is_spent());
        assert_eq!(credit.spend(1), Ok(()));
        assert!(credit.is_spent());
    }

    #[test]
    fn a_grant_without_measure_is_as_much_as_can_be_counted() {
        let mut credit = Credit::new(usize::MAX);
        credit.give(u64::MAX);
        assert_eq!(credit.spend(usize::MAX), Ok(()));
        credit.give(u64::MAX);
        assert_eq!(credit.spend(1), Ok(()));
    }

    #[test]
    fn half_a_window_is_granted_at_once() {
        let mut taken = Taken::new(101);
        assert_eq!(taken.count(49), None);
        assert_eq!(taken.count(1), Some(50));
        assert_eq!(taken.count(49), None);
        assert_eq!(taken.count(1000), Some(1049));
    }

    /// What happens next between a sender and a receiver.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Send(usize),
        Arrive,
        Consume,
        Grant,
    }

    const WINDOW: usize = 1000;

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..=WINDOW).prop_map(Step::Send),
            (1..=20_usize).prop_map(Step::Send),
            Just(Step::Arrive),
            Just(Step::Consume),
            Just(Step::Grant),
        ]
    }

    proptest! {
        /// However sending, arriving, taking and granting fall among each other: a sender that keeps the rules
        /// is never found to break them, what is under way is bounded, and no stream comes to a halt.
        #[test]
        fn both_ends_agree(steps in prop::collection::vec(step(), 0..500)) {
            let (mut sender, mut receiver) = (Credit::new(WINDOW), Credit::new(WINDOW));
            let mut taken = Taken::new(WINDOW);
            let (mut wire, mut queue, mut grants) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
            for step in steps {
                match step {
                    Step::Send(line) => {
                        if sender.spend(line).is_ok() {
                            wire.push_back(line);
                        }
                    }
                    Step::Arrive => if let Some(line) = wire.pop_front() {
                        prop_assert_eq!(receiver.spend(line), Ok(()));
                        queue.push_back(line);
                    },
                    Step::Consume => if let Some(bytes) = queue.pop_front().and_then(|line| taken.count(line)) {
                        receiver.give(bytes);
                        grants.push_back(bytes);
                    },
                    Step::Grant => if let Some(bytes) = grants.pop_front() {
                        sender.give(bytes);
                    },
                }
                let under_way = wire.iter().chain(&queue).sum::<usize>();
                prop_assert!(under_way < 2 * WINDOW, "{under_way} bytes: more than a window and a line");
                let at_rest = wire.is_empty() && queue.is_empty() && grants.is_empty();
                prop_assert!(!at_rest || !sender.is_spent(), "all was taken, and nothing may be sent");
            }
        }
    }
}
