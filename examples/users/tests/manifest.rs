//! The manifest that the plugins without an SDK answer is the one that the Rust plugin makes.

use std::path::Path;

use plugline_example_users::json_plugin;

#[test]
fn the_manifest_file_is_what_the_plugin_declares() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("users.openrpc.json");
    let text = serde_json::to_string_pretty(&json_plugin().manifest()).unwrap() + "\n";
    if std::env::var_os("PLUGLINE_UPDATE").is_some() {
        std::fs::write(&file, text).unwrap();
    } else {
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "PLUGLINE_UPDATE=1 cargo test writes it");
    }
}
