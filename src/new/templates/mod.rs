//! The files of each language, as they lie beside this one: whole projects of a plugin called my-plugin. Only here is said
//! which there are, and what one does with them.

use clap::ValueEnum;

/// A language that a new plugin may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// With the SDK.
    Rust,
    /// With the SDK.
    Python,
    /// Without an SDK.
    Node,
    /// Without an SDK.
    Go,
    /// Without an SDK; with jansson.
    C,
    /// Without an SDK; with jq.
    Bash,
}

/// A project.
pub(super) struct Template {
    /// Their paths, and what they say.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// What one does next, in its folder.
    pub(super) steps: &'static [&'static str],
    pub(super) sdk: Option<Sdk>,
}

/// An SDK, and how a project depends on it.
pub(super) struct Sdk {
    /// Where a checkout has it.
    pub(super) folder: &'static str,
    /// The file by which its folder is known.
    pub(super) mark: &'static str,
    /// The dependency on a folder, of a version.
    pub(super) local: fn(&str, &str) -> String,
    /// The dependency on what is published.
    pub(super) published: fn(&str) -> String,
}

/// The document of those without an SDK. The others make theirs from the code, and say the same.
const CONTRACT: (&str, &str) = ("contract.openrpc.json", include_str!("contract.openrpc.json"));

impl Language {
    pub(super) fn template(self) -> Template {
        match self {
            Self::Rust => RUST,
            Self::Python => PYTHON,
            Self::Node => NODE,
            Self::Go => GO,
            Self::C => C,
            Self::Bash => BASH,
        }
    }
}

const RUST: Template = Template {
    files: &[
        ("plugline.toml", include_str!("rust/plugline.toml")),
        ("contract.openrpc.json", include_str!("rust/contract.openrpc.json")),
        ("Cargo.toml", include_str!("rust/Cargo.toml.template")),
        ("src/main.rs", include_str!("rust/src/main.rs")),
        ("README.md", include_str!("rust/README.md")),
        (".gitignore", include_str!("rust/gitignore")),
    ],
    steps: &[
        "cargo test",
        "cargo build --release",
        "plugline call target/release/my-plugin my_plugin.hello name=Ada",
    ],
    sdk: Some(Sdk {
        folder: "sdk-rust",
        mark: "Cargo.toml",
        local: |folder, version| format!("path = {}, version = \"{version}\"", quoted(folder)),
        published: |version| format!("version = \"{version}\""),
    }),
};

const PYTHON: Template = Template {
    files: &[
        ("plugline.toml", include_str!("python/plugline.toml")),
        ("contract.openrpc.json", include_str!("python/contract.openrpc.json")),
        ("requirements.txt", include_str!("python/requirements.txt")),
        ("plugin.py", include_str!("python/plugin.py")),
        ("test_plugin.py", include_str!("python/test_plugin.py")),
        ("README.md", include_str!("python/README.md")),
        (".gitignore", include_str!("python/gitignore")),
    ],
    steps: &[
        "python3 -m pip install -r requirements.txt",
        "python3 -m unittest",
        "plugline call --command \"python3 plugin.py\" my_plugin.hello name=Ada",
    ],
    sdk: Some(Sdk {
        folder: "sdk-python",
        mark: "pyproject.toml",
        local: |folder, _| folder.to_owned(),
        published: |version| format!("plugline >= {version}"),
    }),
};

const NODE: Template = Template {
    files: &[
        ("plugline.toml", include_str!("node/plugline.toml")),
        CONTRACT,
        ("package.json", include_str!("node/package.json")),
        ("plugin.mjs", include_str!("node/plugin.mjs")),
        ("plugin.test.mjs", include_str!("node/plugin.test.mjs")),
        ("README.md", include_str!("node/README.md")),
        (".gitignore", include_str!("node/gitignore")),
    ],
    steps: &["npm test", "plugline call --command \"node plugin.mjs\" my_plugin.hello name=Ada"],
    sdk: None,
};

const GO: Template = Template {
    files: &[
        ("plugline.toml", include_str!("go/plugline.toml")),
        CONTRACT,
        ("go.mod", include_str!("go/go.mod.template")),
        ("main.go", include_str!("go/main.go")),
        ("main_test.go", include_str!("go/main_test.go")),
        ("protocol.go", include_str!("go/protocol.go")),
        ("README.md", include_str!("go/README.md")),
        (".gitignore", include_str!("go/gitignore")),
    ],
    steps: &[
        "go test ./...",
        "go build -o my-plugin .",
        "plugline call ./my-plugin my_plugin.hello name=Ada",
    ],
    sdk: None,
};

const C: Template = Template {
    files: &[
        ("plugline.toml", include_str!("c/plugline.toml")),
        CONTRACT,
        ("Makefile", include_str!("c/Makefile")),
        ("plugin.c", include_str!("c/plugin.c")),
        ("test/in.jsonl", include_str!("c/test/in.jsonl")),
        ("test/out.jsonl", include_str!("c/test/out.jsonl")),
        ("README.md", include_str!("c/README.md")),
        (".gitignore", include_str!("c/gitignore")),
        (".clang-format", include_str!("c/clang-format")),
    ],
    steps: &["make test", "plugline call ./my-plugin my_plugin.hello name=Ada"],
    sdk: None,
};

const BASH: Template = Template {
    files: &[
        ("plugline.toml", include_str!("bash/plugline.toml")),
        CONTRACT,
        ("plugin.sh", include_str!("bash/plugin.sh")),
        ("test.sh", include_str!("bash/test.sh")),
        ("README.md", include_str!("bash/README.md")),
        (".gitignore", include_str!("bash/gitignore")),
    ],
    steps: &["bash test.sh", "plugline call --command \"bash plugin.sh\" my_plugin.hello name=Ada"],
    sdk: None,
};

/// A string of TOML: JSON's escapes are among its own.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text has no more than JSON takes")
}

#[cfg(test)]
mod tests {
    /// Where the half that knows nothing of the plugin begins.
    const MARK: &str = "// --- the protocol";

    #[test]
    fn the_protocol_is_the_same_in_a_template_and_in_the_example() {
        let node = include_str!("../../../examples/users/node/users.mjs");
        let c = include_str!("../../../examples/users/c/users.c");
        for (template, example) in [(include_str!("node/plugin.mjs"), node), (include_str!("c/plugin.c"), c)]
        {
            assert_eq!(template.split_once(MARK).unwrap().1, example.split_once(MARK).unwrap().1);
        }
        let go = include_str!("../../../examples/users/go/users.go");
        let own = include_str!("go/protocol.go").split_once("\n)\n\n").unwrap().1;
        assert_eq!(own, go.split_once(MARK).unwrap().1.trim_start());
    }
}
