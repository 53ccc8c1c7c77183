//! The plugin my-plugin. What it offers is the trait, from which its document is made.
#![forbid(unsafe_code)]

use plugline_sdk::{CallFailed, Instances, Plugin, Refusal, contract};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Greets people.
#[contract(name = "my_plugin", version = "0.1.0")]
trait Greeter: Send + Sync {
    /// Greets somebody.
    #[idempotent]
    #[example(name = "Ada", params = json!({"name": "Ada"}), result = json!("Hello, Ada!"))]
    fn hello(
        &self,
        /// Whom to greet.
        name: &str,
    ) -> Result<String, CallFailed>;
}

/// What a host may say at the start.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What to say; Hello unless said.
    #[serde(default = "hello")]
    greeting: String,
}

fn hello() -> String {
    "Hello".into()
}

impl Greeter for Config {
    fn hello(&self, name: &str) -> Result<String, CallFailed> {
        Ok(format!("{}, {name}!", self.greeting))
    }
}

fn plugin() -> Plugin<Config> {
    Plugin::configured(
        "my-plugin",
        env!("CARGO_PKG_VERSION"),
        Ok::<Config, Refusal>,
    )
    .describe("Greets people.")
    .instances(Instances::Many)
    .contract(GreeterContract)
}

fn main() -> std::process::ExitCode {
    plugin().serve()
}

#[cfg(test)]
mod tests {
    use plugline_sdk::testing::Harness;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn it_greets_as_its_config_says() {
        let running = Harness::new()
            .config(json!({ "greeting": "Moo" }))
            .start(plugin())
            .unwrap();
        let greeter: GreeterClient = running.client();
        assert_eq!(greeter.hello("Ada").unwrap(), "Moo, Ada!");
    }

    #[test]
    fn it_refuses_what_it_cannot_use() {
        assert!(
            Harness::new()
                .config(json!({ "greeting": 5 }))
                .start(plugin())
                .is_err()
        );
        let running = Harness::new().unchecked().start(plugin()).unwrap();
        assert!(
            running
                .call::<Value>("my_plugin.hello", &json!({}))
                .is_err()
        );
    }

    /// What those read who do not start it. After a change: `PLUGLINE_UPDATE=1 cargo test`.
    #[test]
    fn the_document_is_what_the_plugin_says() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/contract.openrpc.json");
        let text = serde_json::to_string_pretty(&plugin().manifest()).unwrap() + "\n";
        if std::env::var_os("PLUGLINE_UPDATE").is_some() {
            std::fs::write(file, text).unwrap();
        } else {
            assert_eq!(std::fs::read_to_string(file).unwrap(), text);
        }
    }
}
