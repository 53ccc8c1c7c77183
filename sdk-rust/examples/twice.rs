//! Serves a plugin and, when its host is done, wants to serve another: a process has one wire, so that is refused.

use plugline_sdk::Plugin;

fn main() -> std::process::ExitCode {
    Plugin::new("first", "0.1.0").serve();
    Plugin::new("second", "0.1.0").serve()
}
