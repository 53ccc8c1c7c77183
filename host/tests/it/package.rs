//! The JSON Schema of `plugline.toml` is what the code reads.

use std::path::Path;

use plugline_host::package::{Package, schema};
use serde_json::Value;

/// `PLUGLINE_UPDATE=1` writes it anew.
#[test]
fn the_schema_is_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/plugline.schema.json");
    let wanted = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("PLUGLINE_UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, &wanted).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == wanted, "{} has drifted: run the tests with PLUGLINE_UPDATE=1", path.display());
}

/// What an editor marks as wrong is what is refused, but for what a schema cannot say.
#[test]
fn the_schema_takes_what_the_code_takes() {
    let schema = schema();
    jsonschema::draft7::meta::validate(&schema).expect("the schema is itself valid");
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let hash = "0".repeat(64);
    let artifact =
        format!("[[artifact]]\nos = 'linux'\narch = 'x86_64'\npath = 'bin/p'\nsha256 = '{hash}'\n");
    let head = "name = 'users'\nversion = '1.0.0'\n";
    let rows = [
        (true, format!("{head}command = ['a']")),
        (
            true,
            format!(
                "{head}command = ['a']\nmanifest = './a.json'\n[build]\ncommand = ['make']\nwatch = ['src']"
            ),
        ),
        (true, format!("{head}{artifact}")),
        (false, "version = '1.0.0'\ncommand = ['a']".into()),
        (false, head.into()),
        (false, format!("{head}command = []")),
        (false, format!("{head}command = 'a'")),
        (false, format!("{head}command = ['a']\n{artifact}")),
        (false, format!("{head}comand = ['a']")),
        (false, format!("{head}{}", artifact.replace("linux", "darwin"))),
        (false, format!("{head}{}", artifact.replace(&hash, "abc"))),
        (false, format!("{head}{}", artifact.replace("bin/p", "../p"))),
        (false, format!("{head}{}", artifact.replace("bin/p", "/p"))),
        (false, "name = 'Users'\nversion = '1.0.0'\ncommand = ['a']".into()),
        (false, "name = 'users'\nversion = '1.0'\ncommand = ['a']".into()),
        (false, format!("{head}command = ['a']\n[build]\ncommand = []")),
    ];
    for (right, text) in rows {
        let value: Value = toml::from_str(&text).unwrap();
        assert_eq!(Package::parse(&text, Path::new("plugline.toml")).is_ok(), right, "{text}");
        assert_eq!(validator.is_valid(&value), right, "{text}");
    }
}
