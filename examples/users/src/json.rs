//! Users in a JSON file.

use std::fs;

use plugline_sdk::{Example, Instances, Plugin, Refusal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{DATA, User, UserList, Users, UsersContract, UsersError};

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
        let failed =
            |why: &dyn std::fmt::Display| UsersError::LoadFailed { reason: format!("{file}: {why}") };
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
    let by_id = json!({ "id": einstein.id });
    let by_mail = json!({ "claim": "mail", "value": einstein.mail });
    Plugin::configured("users-json", env!("CARGO_PKG_VERSION"), make)
        .describe("Users in a JSON file.")
        .instances(Instances::Many)
        .contract(UsersContract)
        // Of the users that ship with it; what holds for whoever provides the contract stands at the trait.
        .example("users.get_user", Example::new("einstein", by_id.clone()).returns(json!(einstein)))
        .example("users.get_user_by_claim", Example::new("by mail", by_mail).returns(json!(einstein)))
        .example("users.get_user_groups", Example::new("einstein", by_id).returns(json!(einstein.groups)))
        .example(
            "users.find_users",
            Example::new("by name", json!({ "query": "einstein" })).returns(json!([einstein])),
        )
}
