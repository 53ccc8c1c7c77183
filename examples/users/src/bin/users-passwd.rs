//! The `users` contract over the accounts of this machine, as a plugin.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugline_example_users::passwd_plugin().serve()
}
