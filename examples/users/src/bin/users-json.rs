//! The `users` contract over a JSON file, as a plugin.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugline_example_users::json_plugin().serve()
}
