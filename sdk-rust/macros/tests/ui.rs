//! What is said of mistakes: each file of `ui/` makes some, and beside it stands what the compiler says.
//! `TRYBUILD=overwrite cargo test -p plugline-macros` writes that down anew.

use std::process::Command;

/// What the macros find. The words are theirs.
#[test]
fn mistakes_are_told_with_what_to_write_instead() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

/// What the compiler finds in what the macros made. Most words are the compiler's, and differ from one to the next:
/// they were written down with this one. That these do not compile, doctests of `plugline_sdk` say for any.
#[test]
fn what_only_the_compiler_can_find_is_told_so_too() {
    const WRITTEN_WITH: &str = "rustc 1.95.";
    let version = Command::new("rustc").arg("--version").output().expect("there is a compiler").stdout;
    let version = String::from_utf8_lossy(&version).into_owned();
    if version.starts_with(WRITTEN_WITH) {
        trybuild::TestCases::new().compile_fail("tests/ui/rustc/*.rs");
    } else {
        eprintln!("not compared: written down with {WRITTEN_WITH}x, and this is {version}");
    }
}
