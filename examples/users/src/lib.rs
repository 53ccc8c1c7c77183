//! The `users` contract, version 1.0.0: looking people up, wherever they are kept.
//!
//! [`Users`] is the contract as a trait, and all there is of it: [`UsersClient`], which implements it over a plugin in
//! whatever language, [`UsersContract`], by which [`json_plugin`] and [`passwd_plugin`] serve it, and the document
//! are made from it. [`UserList`] implements it over what [`json_users`] or [`passwd_users`] read. So a host works with
//! `dyn Users` and need not know which it has.
#![forbid(unsafe_code)]

mod json;
mod list;
mod passwd;

use std::collections::BTreeMap;

use plugline_sdk::{CallFailed, ContractError, contract};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use json::{JsonConfig, json_plugin, json_users};
pub use list::UserList;
pub use passwd::{PasswdConfig, passwd_plugin, passwd_users};

/// The users of the demo, as they ship.
pub const DATA: &str = include_str!("../data/users.json");

/// Looks people up.
#[contract(name = "users", version = "1.0.0")]
pub trait Users: Send + Sync {
    /// Replaces the users with those of that file.
    ///
    /// # Errors
    /// [`UsersError::LoadFailed`].
    #[idempotent]
    fn on_load(
        &self,
        /// The file to load.
        file: &str,
    ) -> Result<(), UsersError>;

    /// Finds one user by id.
    ///
    /// # Errors
    /// [`UsersError::NotFound`].
    #[idempotent]
    #[example(name = "nobody", params = json!({"id": {"opaque_id": "nobody", "idp": "nowhere"}}), error = 1)]
    fn get_user(
        &self,
        /// Whose id it is.
        id: &UserId,
    ) -> Result<User, UsersError>;

    /// Finds one user by something that only they have.
    ///
    /// # Errors
    /// [`UsersError::NotFound`].
    #[idempotent]
    #[example(name = "nobody", params = json!({"claim": "mail", "value": "nobody@nowhere"}), error = 1)]
    fn get_user_by_claim(
        &self,
        /// What is compared.
        claim: Claim,
        /// What it must be.
        value: &str,
    ) -> Result<User, UsersError>;

    /// The names of the groups that a user is in.
    ///
    /// # Errors
    /// [`UsersError::NotFound`].
    #[idempotent]
    #[example(name = "nobody", params = json!({"id": {"opaque_id": "nobody", "idp": "nowhere"}}), error = 1)]
    fn get_user_groups(
        &self,
        /// Whose id it is.
        id: &UserId,
    ) -> Result<Vec<String>, UsersError>;

    /// Finds the users whose username, display name, mail or opaque id contains the query, in whatever case.
    ///
    /// # Errors
    /// Only those of the call itself.
    #[idempotent]
    fn find_users(
        &self,
        /// What to look for.
        query: &str,
    ) -> Result<Vec<User>, UsersError>;
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
#[derive(Debug, thiserror::Error, ContractError)]
pub enum UsersError {
    /// Nobody is that.
    #[error("no such user")]
    #[code(1)]
    NotFound,
    /// The file cannot be read, or holds no users.
    #[error("the users cannot be loaded: {reason}")]
    #[code(2)]
    LoadFailed {
        /// Which file, and what is wrong with it.
        reason: String,
    },
    /// The call failed: where the users are in another process, that may happen to any.
    #[error(transparent)]
    Call(#[from] CallFailed),
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
