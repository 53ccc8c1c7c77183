//! The manifest of a plugin, made from what was registered: an OpenRPC document. What a contract's own document says is
//! declared as it stands there.

use plugline_protocol::contract::{Document, Draft, Info, merge};
use schemars::Schema;
use serde_json::{Map, Value};

use crate::plugin::Plugin;

pub(crate) fn of<S: Send + Sync + 'static>(plugin: &Plugin<S>) -> Document {
    let methods = plugin.methods.iter().map(|method| &method.about);
    let notifications = plugin.notifications.iter().map(|notification| &notification.about);
    let is_written = |name: &str| {
        let mut written = plugin.originals.iter().flat_map(|document| &document.methods);
        written.any(|method| method.name == name)
    };
    let (written, made): (Vec<_>, Vec<_>) =
        methods.chain(notifications).partition(|about| is_written(&about.name));
    let draft = Draft {
        info: Info {
            title: plugin.name.clone(),
            version: plugin.version.clone(),
            description: plugin.description.clone(),
            other: Map::new(),
        },
        provides: plugin.provides.clone(),
        requires: plugin.requires.clone(),
        methods: made,
        host_methods: plugin.host_methods.iter().collect(),
        config: plugin.config,
        instances: plugin.instances,
    }
    .document();
    if plugin.originals.is_empty() {
        return draft;
    }
    let mut document = merged(draft, &plugin.originals);
    // Those of this plugin, besides those that stand in the document.
    for about in written {
        if let Some(method) = document.methods.iter_mut().find(|method| method.name == about.name) {
            about.examples.iter().for_each(|example| method.add_example(example));
        }
    }
    document
}

/// What was made, and what was written. The config is that of the document which says anything of it.
fn merged(mut draft: Document, originals: &[Document]) -> Document {
    let mut all: Vec<Document> = originals.to_vec();
    let base = match all.iter().position(|original| tells(&original.plugline.config)) {
        None => draft,
        Some(at) => {
            let mut base = all.remove(at);
            base.info = draft.info.clone();
            base.plugline.instances = draft.plugline.instances;
            draft.plugline.config = Schema::default();
            all.insert(0, draft);
            base
        }
    };
    merge(base, all)
        .unwrap_or_else(|faults| panic!("the contracts of this plugin do not go together: {faults}"))
}

/// Whether a schema says more of a config than that it is an object.
pub(crate) fn tells(config: &Schema) -> bool {
    match config.as_value() {
        Value::Object(members) => members.iter().any(|(key, value)| key != "type" || value != "object"),
        value => value != &Value::Bool(true),
    }
}
