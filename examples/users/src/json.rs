//! Users in a JSON file.

use std::fs;

use plugline_sdk::{Plugin, Refusal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{DATA, User, UserList, Users, UsersError, plugin};

/// The config of the plugin.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonConfig {
    /// The file to load; the users that ship with the plugin unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Users in JSON files, each an array of records. Until one is loaded, those that ship with this crate.
pub fn json_users() -> UserList {
    UserList::new(shipped(), |file| {
        let failed = |why: &dyn std::fmt::Display| UsersError::LoadFailed(format!("{file}: {why}"));
        let text = fs::read_to_string(file).map_err(|fault| failed(&fault))?;
        serde_json::from_str(&text).map_err(|fault| failed(&fault))
    })
}

fn shipped() -> Vec<User> {
    serde_json::from_str(DATA).expect("the data ships with this crate")
}

/// The plugin that serves a JSON file.
pub fn json_plugin() -> Plugin<UserList> {
    let make = |config: JsonConfig| {
        let users = json_users();
        if let Some(file) = config.file {
            let refusal =
                |fault: UsersError| Refusal::Config { path: "/file".into(), message: fault.to_string() };
            users.on_load(&file).map_err(refusal)?;
        }
        Ok::<_, Refusal>(users)
    };
    let einstein = &shipped()[0];
    plugin("users-json", make, |method| {
        let about_einstein = json!({ "id": einstein.id });
        match method.name() {
            "users.get_user" => method.example("einstein", about_einstein, json!(einstein)),
            "users.get_user_groups" => method.example("einstein", about_einstein, json!(einstein.groups)),
            "users.get_user_by_claim" => {
                method.example("by mail", json!({"claim": "mail", "value": einstein.mail}), json!(einstein))
            }
            "users.find_users" => method.example("by name", json!({"query": "einstein"}), json!([einstein])),
            _ => method,
        }
    })
    .describe("Users in a JSON file.")
}
