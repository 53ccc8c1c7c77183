//! Users in a JSON file.

use std::fs;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use plugline_sdk::{Plugin, Refusal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Claim, User, UserId, Users, UsersError, find, plugin, search};

/// Users in a JSON file: an array of records. Until one is loaded, those that ship with this crate.
#[derive(Debug)]
pub struct JsonUsers(RwLock<Vec<User>>);

impl Default for JsonUsers {
    fn default() -> Self {
        Self(RwLock::new(shipped()))
    }
}

fn shipped() -> Vec<User> {
    serde_json::from_str(crate::DATA).expect("the data ships with this crate")
}

/// The config of the plugin.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonConfig {
    /// The file to load; the users that ship with the plugin unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl JsonUsers {
    fn read(&self) -> RwLockReadGuard<'_, Vec<User>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Users for JsonUsers {
    fn on_load(&self, file: &str) -> Result<(), UsersError> {
        let failed = |why: &dyn std::fmt::Display| UsersError::LoadFailed(format!("{file}: {why}"));
        let text = fs::read_to_string(file).map_err(|fault| failed(&fault))?;
        let users = serde_json::from_str(&text).map_err(|fault| failed(&fault))?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = users;
        Ok(())
    }

    fn get_user(&self, id: &UserId) -> Result<User, UsersError> {
        find(&self.read(), |user| user.id == *id).cloned()
    }

    fn get_user_by_claim(&self, claim: Claim, value: &str) -> Result<User, UsersError> {
        find(&self.read(), |user| user.has(claim, value)).cloned()
    }

    fn get_user_groups(&self, id: &UserId) -> Result<Vec<String>, UsersError> {
        find(&self.read(), |user| user.id == *id).map(|user| user.groups.clone())
    }

    fn find_users(&self, query: &str) -> Result<Vec<User>, UsersError> {
        Ok(search(&self.read(), query))
    }
}

/// The plugin that serves a JSON file.
pub fn json_plugin() -> Plugin<JsonUsers> {
    let make = |config: JsonConfig| {
        let users = JsonUsers::default();
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
