//! Which streams a method has, from the plugin's manifest.

use plugline_host::{CallOptions, Document, Plugin, RunningCall};
use plugline_protocol::contract::Method;

/// What the plugin's manifest says of a method of its own.
pub(crate) fn declared(plugin: &Plugin, method: &str, options: CallOptions) -> Option<Method> {
    let manifest = plugin.begin("rpc.discover", &(), options).and_then(RunningCall::wait::<Document>);
    manifest.ok()?.methods.into_iter().find(|it| it.name == method)
}

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
        match declared(plugin, method, options).map(|method| (method.plugline.output, method.plugline.input))
        {
            None => Self::Unknown,
            Some((None, None)) => Self::None,
            Some((Some(_), None)) => Self::Output,
            Some((None, Some(_))) => Self::Input,
            Some((Some(_), Some(_))) => Self::Both,
        }
    }
}
