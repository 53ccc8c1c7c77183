//! What a document says of the plugin as a whole: who it is, what it provides and requires.

use serde_json::Value;

use super::{items, text, unique};
use crate::contract::fault::Fault;

pub(super) fn check(document: &Value, faults: &mut Vec<Fault>) {
    for member in ["title", "version"] {
        if document.pointer("/info").and_then(|info| text(info, member)) == Some("") {
            let what = format!(
                "it is empty, and it is the plugin's {}",
                if member == "title" { "name" } else { "version" }
            );
            faults.push(Fault::new(format!("/info/{member}"), "CONTRACT-10", what, "say what it is"));
        }
    }
    for list in ["/x-plugline/provides", "/x-plugline/requires"] {
        for (at, contract) in items(document, list) {
            if let Some(version) = text(contract, "version")
                && let Err(fault) = semver::Version::parse(version)
            {
                let what = format!("{version:?} is no semantic version: {fault}");
                faults.push(Fault::new(format!("{at}/version"), "CONTRACT-14", what, "write it as 1.2.3"));
            }
            if text(contract, "contract").is_some_and(|name| name == "rpc" || name.starts_with("rpc.")) {
                let what = "names that begin with rpc. belong to the protocol";
                faults.push(Fault::new(
                    format!("{at}/contract"),
                    "MSG-36",
                    what,
                    "name the contract otherwise",
                ));
            }
        }
        let names = items(document, list).filter_map(|(at, it)| Some((at, text(it, "contract")?)));
        unique(names, |at, name| {
            let what = format!("contract {name:?} stands here twice");
            faults.push(Fault::new(at, "CONTRACT-13", what, "name it once; `types` is a list"));
        });
    }
}

/// The contracts of a list, by name.
pub(super) fn contracts<'a>(document: &'a Value, list: &'a str) -> Vec<&'a str> {
    items(document, list).filter_map(|(_, contract)| text(contract, "contract")).collect()
}
