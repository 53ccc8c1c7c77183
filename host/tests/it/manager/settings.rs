//! plugins.toml, the environment over it, and secrets that go nowhere else.

use plugline_host::manager::Settings;

use super::*;

const SETTINGS: &str = r#"
[plugins.db]
driver = "users"
config = { components = { a = "1" } }
secrets = { token = { env = "TOKEN" } }
env = { KEY = { file = "key" } }
"#;

#[test]
fn secrets_reach_the_plugin_and_nobody_else() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({"say": true}));
    bench.write("key", "hunter2-from-a-file\n");
    bench.write("plugins.toml", SETTINGS);
    let manager = bench
        .builder()
        .environment([
            ("TOKEN", "hunter2-from-a-variable"),
            ("PLUGLINE_PLUGINS__DB__CONFIG__COMPONENTS__A", "2"),
        ])
        .settings_file(bench.at("plugins.toml"))
        .open()
        .unwrap();
    let db: RepositoryClient = manager.client("db").unwrap();
    let about = db.about().unwrap();
    assert_eq!(about.config, json!({"components": {"a": "2"}, "token": "hunter2-from-a-variable"}));
    assert_eq!(about.key.as_deref(), Some("hunter2-from-a-file"));
    let command_line = fs::read(format!("/proc/{}/cmdline", about.pid)).unwrap();
    assert!(!String::from_utf8_lossy(&command_line).contains("hunter2"));
    // The plugin writes both to its standard error.
    let said = event(&manager, "what it wrote", |event| {
        let shown = format!("{event} {event:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        shown.contains("started with").then_some(shown)
    });
    assert!(said.contains("[secret]"), "{said}");
    let shown =
        format!("{manager:?} {:?} {:?}", manager.plugin("db").unwrap(), manager.launch("db").unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
    stop(&manager);
    for event in manager.events().try_iter() {
        assert!(!format!("{event} {event:?}").contains("hunter2"), "{event:?}");
    }
}

#[test]
fn a_secret_that_is_not_there_is_named() {
    let bench = Bench::new();
    bench.package("plugins/users", "users", "1.0.0", &json!({}));
    let manager = bench.with_settings(SETTINGS);
    let RepositoryError::Call(failed) =
        manager.client::<RepositoryClient>("db").unwrap().about().unwrap_err()
    else {
        panic!()
    };
    assert_eq!(failed.to_string(), "db: secrets.\"token\": the environment variable TOKEN is not set");
    assert_eq!(bench.started(), 0);
}

#[test]
fn settings_that_are_wrong_say_where() {
    let bench = Bench::new();
    bench.write("plugins.toml", "[plugins.a]\npool = \"many\"\n");
    let fault = bench.builder().settings_file(bench.at("plugins.toml")).open().unwrap_err();
    let said = format!(
        "{}: plugins.a.pool: invalid type: string \"many\", expected usize",
        bench.at("plugins.toml").display()
    );
    assert_eq!(fault.to_string(), said);
}

/// `PLUGLINE_UPDATE=1` writes it.
#[test]
fn the_schema_for_editors_is_that_of_the_types() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/plugins.schema.json");
    let wanted = format!("{:#}\n", Settings::schema());
    if std::env::var_os("PLUGLINE_UPDATE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &wanted).unwrap();
    }
    assert_eq!(fs::read_to_string(file).unwrap(), wanted, "PLUGLINE_UPDATE=1 writes it");
    // And it takes what the types take.
    let schema = jsonschema::validator_for(&Settings::schema()).unwrap();
    for (settings, right) in [
        (
            json!({"plugins": {"a": {"driver": "x", "idle": "5m", "config": [1], "env": {"A": "b", "C": {"file": "d"}}}}}),
            true,
        ),
        (json!({"plugins": {"a": {"idle": "soon"}}}), false),
        (json!({"plugins": {"a": {"nope": 1}}}), false),
        (json!({"prefer": "both"}), false),
    ] {
        assert_eq!(schema.is_valid(&settings), right, "{settings}");
    }
}
