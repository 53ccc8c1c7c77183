//! Which streams a method has, from the plugin's manifest.

use plugline_host::{CallOptions, Document, Plugin, RunningCall};

/// Which streams a method has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    None,
    Output,
    Input,
    Both,
    /// The plugin has some; its manifest does not say whether this method has.
    Unknown,
}

impl Streams {
    /// What the manifest says, where the plugin has streams at all.
    pub(crate) fn of(plugin: &Plugin, method: &str, options: CallOptions) -> Self {
        if plugin.hello().capabilities.streams.is_none() {
            return Self::None;
        }
        let manifest = plugin.begin("rpc.discover", &(), options).and_then(RunningCall::wait::<Document>);
        let declared =
            manifest.ok().and_then(|manifest| manifest.methods.into_iter().find(|it| it.name == method));
        match declared.map(|method| (method.plugline.output, method.plugline.input)) {
            None => Self::Unknown,
            Some((None, None)) => Self::None,
            Some((Some(_), None)) => Self::Output,
            Some((None, Some(_))) => Self::Input,
            Some((Some(_), Some(_))) => Self::Both,
        }
    }
}
