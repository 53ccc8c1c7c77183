//! Each language's host with each language's plugin, over the rich contract; and the clients of `users`.

use std::process::Command;

use crate::workshop::{Go, PLUGLINE, Python, TypeScript, built, root, run};

/// The plugins of the rich contract that this machine can run.
pub(crate) fn plugins() -> Vec<Vec<String>> {
    let mut plugins = vec![vec![built("plugline-contract-tests")]];
    plugins.extend(TypeScript::get().map(|made| made.command("plugin")));
    plugins.extend(Go::get().map(|made| made.command("plugin")));
    plugins.extend(Python::get().map(|made| made.command("plugin")));
    plugins
}

/// Runs a host with each plugin.
fn with_each_plugin(host: &[String]) {
    for plugin in plugins() {
        let told = run(Command::new(&host[0]).args(&host[1..]).args(&plugin).current_dir(root()));
        assert!(told.ends_with("ok\n"), "{host:?} with {plugin:?}: {told}");
    }
}

#[test]
fn a_rust_host_has_plugins_of_every_language() {
    with_each_plugin(&[built("catalog-host")]);
}

#[test]
fn a_typescript_host_has_plugins_of_every_language() {
    if let Some(made) = TypeScript::get() {
        with_each_plugin(&made.command("host"));
    }
}

#[test]
fn a_go_host_has_plugins_of_every_language() {
    if let Some(made) = Go::get() {
        with_each_plugin(&made.command("host"));
    }
}

#[test]
fn a_python_host_has_plugins_of_every_language() {
    if let Some(made) = Python::get() {
        with_each_plugin(&made.command("host"));
    }
}

#[test]
fn the_command_line_has_plugins_of_every_language() {
    for plugin in plugins() {
        let command = shell_words::join(&plugin);
        let called = |words: &[&str]| {
            run(Command::new(PLUGLINE).args(["call", "--command", &command]).args(words).current_dir(root()))
        };
        assert_eq!(
            called(&["catalog.find", "id=abc", "limit:=5"]),
            "[\"abc\",\"limit=5\",\"after=absent\"]\n"
        );
        assert_eq!(called(&["catalog.count", "n:=3"]), "0\n1\n2\n");
        assert_eq!(called(&["catalog.type", "class=a", "max-items:=3", "self=b"]), "\"a 3 b -\"\n");
        let described =
            run(Command::new(PLUGLINE).args(["describe", "--command", &command]).current_dir(root()));
        assert!(described.contains("provides catalog 1.2.0"), "{described}");
        assert!(described.contains("audit.ask(question: string)"), "{described}");
    }
}

#[test]
fn the_users_come_from_the_one_contract_in_every_language() {
    let mut hosts = Vec::new();
    hosts.extend(TypeScript::get().map(|made| made.command("users-host")));
    hosts.extend(Go::get().map(|made| made.command("users-host")));
    hosts.extend(Python::get().map(|made| made.command("users_host")));
    for host in hosts {
        let users = built("users-json");
        let told = run(Command::new(&host[0]).args(&host[1..]).arg(&users).current_dir(root()));
        assert_eq!(
            told, "Albert Einstein: sailing-lovers, violin-haters, physics-lovers\nno such user\n",
            "{host:?}"
        );
    }
}

#[test]
fn the_run_times_keep_to_the_transcripts_of_the_specification() {
    let mut plugins = Vec::new();
    plugins.extend(TypeScript::get().map(|made| made.command("demo-plugin")));
    plugins.extend(Go::get().map(|made| made.command("demo-plugin")));
    for plugin in plugins {
        let told = run(Command::new("python3")
            .arg("protocol/tests/spec/other.py")
            .args(&plugin)
            .current_dir(root()));
        assert!(told.ends_with(" 0 failed\n"), "{plugin:?}: {told}");
    }
}
