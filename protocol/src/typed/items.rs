//! Streams: what passes within a call, item by item.

use std::fmt;

use super::error::ContractError;
use super::failed::CallFailed;
use crate::peer::Kind;

/// The items of a stream and, when all have passed, what is to be said of them, the summary.
///
/// An iterator of results, made of any iterator, be what it iterates over in this process or behind a connection. An
/// error is the last item. Whoever drops it wants no more: what is behind a connection is told to stop.
///
/// ```
/// # use plugline_protocol::typed::{CallFailed, Items};
/// let numbers: Items<u32, CallFailed> = Items::all(0..3);
/// assert_eq!(numbers.map(Result::unwrap).sum::<u32>(), 3);
///
/// let mut counted: Items<u32, CallFailed, usize> = Items::all(0..3).with_summary(|| Ok(3));
/// assert_eq!(counted.by_ref().count(), 3);
/// assert_eq!(counted.finish().unwrap(), 3);
/// ```
pub struct Items<T, E, S = ()> {
    source: Box<dyn Source<T, E, S>>,
    stage: Stage,
}

/// Whether there is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Ended,
    Failed,
}

/// Where items come from.
pub(super) trait Source<T, E, S>: Send {
    fn next(&mut self) -> Option<Result<T, E>>;

    /// Those that are there already, as far as that is known; they come before the next.
    fn ready(&mut self) -> Vec<T> {
        Vec::new()
    }

    /// Lets go of what was not taken. The summary.
    fn finish(self: Box<Self>) -> Result<S, E>;
}

impl<T: 'static, E: 'static> Items<T, E> {
    /// What that iterator gives, as it gives it.
    pub fn new<I>(items: I) -> Self
    where
        I: IntoIterator<Item = Result<T, E>, IntoIter: Send + 'static>,
    {
        Self::from_source(Iterated(items.into_iter()))
    }

    /// The same for an iterator that cannot fail.
    pub fn all<I>(items: I) -> Self
    where
        I: IntoIterator<Item = T, IntoIter: Send + 'static>,
    {
        Self::from_source(Iterated(items.into_iter().map(Ok)))
    }

    /// The same items, with a summary that is made when all have passed.
    #[must_use]
    pub fn with_summary<S>(self, summary: impl FnOnce() -> Result<S, E> + Send + 'static) -> Items<T, E, S> {
        Items { source: Box::new(Summed { source: self.source, summary }), stage: self.stage }
    }
}

impl<T: Send + 'static, E> From<Vec<T>> for Items<T, E> {
    /// Items that are all there already, which travel together.
    fn from(items: Vec<T>) -> Self {
        Self::from_source(Listed(items.into_iter()))
    }
}

impl<T, E, S> Items<T, E, S> {
    pub(super) fn from_source(source: impl Source<T, E, S> + 'static) -> Self {
        Self { source: Box::new(source), stage: Stage::Open }
    }

    pub(super) fn ready(&mut self) -> Vec<T> {
        match self.stage {
            Stage::Open => self.source.ready(),
            Stage::Ended | Stage::Failed => Vec::new(),
        }
    }

    /// Waits for the end, and for what is to be said then. Items that were not taken are let go.
    ///
    /// # Errors
    /// What the stream failed of.
    pub fn finish(self) -> Result<S, E>
    where
        E: ContractError,
    {
        match self.stage {
            Stage::Open | Stage::Ended => self.source.finish(),
            Stage::Failed => {
                Err(E::from_failed(CallFailed::new(Kind::Closed, "the stream failed, as its last item said")))
            }
        }
    }
}

impl<T, E, S> Iterator for Items<T, E, S> {
    type Item = Result<T, E>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stage != Stage::Open {
            return None;
        }
        let item = self.source.next();
        self.stage = match &item {
            Some(Ok(_)) => Stage::Open,
            Some(Err(_)) => Stage::Failed,
            None => Stage::Ended,
        };
        item
    }
}

impl<T, E, S> std::iter::FusedIterator for Items<T, E, S> {}

impl<T, E, S> fmt::Debug for Items<T, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("stage", &self.stage).finish_non_exhaustive()
    }
}

struct Iterated<I>(I);

impl<T, E, I: Iterator<Item = Result<T, E>> + Send> Source<T, E, ()> for Iterated<I> {
    fn next(&mut self) -> Option<Result<T, E>> {
        self.0.next()
    }

    fn finish(mut self: Box<Self>) -> Result<(), E> {
        self.0.try_for_each(|item| item.map(drop))
    }
}

struct Listed<T>(std::vec::IntoIter<T>);

impl<T: Send, E> Source<T, E, ()> for Listed<T> {
    fn next(&mut self) -> Option<Result<T, E>> {
        self.0.next().map(Ok)
    }

    fn ready(&mut self) -> Vec<T> {
        self.0.by_ref().collect()
    }

    fn finish(self: Box<Self>) -> Result<(), E> {
        Ok(())
    }
}

struct Summed<T, E, F> {
    source: Box<dyn Source<T, E, ()>>,
    summary: F,
}

impl<T, E, S, F: FnOnce() -> Result<S, E> + Send> Source<T, E, S> for Summed<T, E, F> {
    fn next(&mut self) -> Option<Result<T, E>> {
        self.source.next()
    }

    fn ready(&mut self) -> Vec<T> {
        self.source.ready()
    }

    fn finish(self: Box<Self>) -> Result<S, E> {
        let Self { source, summary } = *self;
        source.finish()?;
        summary()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_the_last_item() {
        let given = [Ok(1), Err(CallFailed::new(Kind::Closed, "it broke")), Ok(2)];
        let mut items = Items::new(given)
            .with_summary(|| -> Result<(), CallFailed> { panic!("what failed has no summary") });
        assert_eq!(items.next().unwrap().unwrap(), 1);
        assert_eq!(items.next().unwrap().unwrap_err().to_string(), "it broke");
        assert!(items.next().is_none());
        assert_eq!(items.finish().unwrap_err().kind(), Kind::Closed);
    }

    #[test]
    fn what_was_not_taken_is_let_go() {
        let (sender, passed) = std::sync::mpsc::channel();
        let items: Items<u8, CallFailed, &str> =
            Items::all((0..5).inspect(move |item| sender.send(*item).unwrap())).with_summary(|| Ok("all"));
        assert_eq!(items.finish().unwrap(), "all");
        assert_eq!(passed.iter().count(), 5);
    }
}
