//! The first of several versions that works, and what is told of those that did not.

use plugline_protocol::peer::Kind;

use super::error::ManagerError;
use super::event::{Events, ManagerEventKind};
use super::resolve::Candidate;

/// Tries one candidate after another, but for built-ins: a handle that was made for a plugin cannot become one of those.
pub(crate) fn first_that_works<T>(
    plugin: &str,
    candidates: &[Candidate],
    events: &Events,
    mut attempt: impl FnMut(&Candidate) -> Result<T, ManagerError>,
) -> Result<T, ManagerError> {
    let mut attempts: Vec<(String, ManagerError)> = Vec::new();
    let mut left = candidates.iter().filter(|candidate| !candidate.is_built_in()).peekable();
    while let Some(candidate) = left.next() {
        let fault = match attempt(candidate) {
            Ok(works) => return Ok(works),
            Err(fault) => fault,
        };
        let next = left.peek().filter(|_| may_fall_back(&fault)).map(ToString::to_string);
        if let Some(to) = &next {
            let (from, to, why) = (candidate.to_string(), to.clone(), fault.in_full());
            events.send(plugin, ManagerEventKind::FellBack { from, to, why });
        }
        attempts.push((candidate.to_string(), fault));
        if next.is_none() {
            break;
        }
    }
    match (attempts.len(), attempts.pop()) {
        // The one that there is says it best itself.
        (1, Some((_, only))) => Err(only),
        (_, Some(last)) => {
            attempts.push(last);
            Err(ManagerError::NoneWorks { plugin: plugin.to_owned(), attempts })
        }
        (_, None) => Err(ManagerError::BuiltIn {
            name: plugin.to_owned(),
            why: "it has no process: it is called through the client of its contract".into(),
        }),
    }
}

/// Whether another version may do what this one did not. A config or a secret that is wrong is the user's to mend.
fn may_fall_back(fault: &ManagerError) -> bool {
    !matches!(fault, ManagerError::Stopped) && fault.kind() != Kind::InvalidConfig
}
