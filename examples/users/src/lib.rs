//! The `users` contract, version 1.0.0: looking people up, wherever they are kept.
//!
//! [`Users`] is the contract as a trait. [`UserList`] implements it over what [`json_users`] or [`passwd_users`]
//! read; [`plugin`] serves any implementation as a plugin; [`UsersClient`] implements it over a plugin in whatever
//! language. So a host works with `dyn Users` and need not know which it has.
#![forbid(unsafe_code)]

mod client;
mod json;
mod list;
mod passwd;
mod plugin;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use client::UsersClient;
pub use json::{JsonConfig, json_plugin, json_users};
pub use list::UserList;
pub use passwd::{PasswdConfig, passwd_plugin, passwd_users};
pub use plugin::plugin;

/// The users of the demo, as they ship.
pub const DATA: &str = include_str!("../data/users.json");

/// Looks people up.
pub trait Users: Send + Sync {
    /// Replaces the users with those of that file.
    ///
    /// # Errors
    /// [`UsersError::LoadFailed`].
    fn on_load(&self, file: &str) -> Result<(), UsersError>;

    /// Finds one user by id.
    ///
    /// # Errors
    /// [`UsersError::NotFound`].
    fn get_user(&self, id: &UserId) -> Result<User, UsersError>;

    /// Finds one user by something that only they have.
    ///
    /// # Errors
    /// [`UsersError::NotFound`].
    fn get_user_by_claim(&self, claim: Claim, value: &str) -> Result<User, UsersError>;

    /// The names of the groups that a user is in.
    ///
    /// # Errors
    /// [`UsersError::NotFound`].
    fn get_user_groups(&self, id: &UserId) -> Result<Vec<String>, UsersError>;

    /// Finds the users whose username, display name, mail or opaque id contains that, in whatever case.
    ///
    /// # Errors
    /// Only those of the call itself.
    fn find_users(&self, query: &str) -> Result<Vec<User>, UsersError>;
}

/// Who somebody is, everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserId {
    /// The id that the provider gave.
    pub opaque_id: String,
    /// The identity provider.
    pub idp: String,
}

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// Who they are.
    pub id: UserId,
    /// The name they log in with.
    pub username: String,
    /// Their mail address.
    pub mail: String,
    /// What people call them.
    pub display_name: String,
    /// The names of the groups they are in.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What only their provider understands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Opaque>,
}

/// What only a provider understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opaque {
    /// Entries by name.
    pub map: BTreeMap<String, OpaqueEntry>,
}

/// An encoded value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpaqueEntry {
    /// How to decode it.
    pub decoder: String,
    /// The value, in base64.
    pub value: String,
}

/// What may identify somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// The mail address.
    Mail,
    /// The name they log in with.
    Username,
    /// What people call them.
    DisplayName,
}

/// Why a lookup failed.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// Nobody is that.
    #[error("no such user")]
    NotFound,
    /// The file cannot be read, or holds no users.
    #[error("the users cannot be loaded: {0}")]
    LoadFailed(String),
    /// The plugin could not be called.
    #[error(transparent)]
    Call(Box<plugline_host::Error>),
}

impl UsersError {
    const NOT_FOUND: i64 = 1;
    const LOAD_FAILED: i64 = 2;
}

impl User {
    fn has(&self, claim: Claim, value: &str) -> bool {
        value
            == match claim {
                Claim::Mail => &self.mail,
                Claim::Username => &self.username,
                Claim::DisplayName => &self.display_name,
            }
    }

    /// Whether that, in lower case, is part of what the user is searched by.
    fn matches(&self, query: &str) -> bool {
        [&self.username, &self.display_name, &self.mail, &self.id.opaque_id]
            .into_iter()
            .any(|text| text.to_lowercase().contains(query))
    }
}
