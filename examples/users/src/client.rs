//! The contract over a plugin, in whatever language.

use plugline_host::{Error, Plugin};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::plugin::{ByClaim, ById, Find, OnLoad};
use crate::{Claim, User, UserId, Users, UsersError};

/// The contract over a running plugin.
#[derive(Debug, Clone)]
pub struct UsersClient(Plugin);

impl UsersClient {
    /// Uses that plugin.
    pub fn new(plugin: Plugin) -> Self {
        Self(plugin)
    }

    /// The plugin behind it.
    pub fn plugin(&self) -> &Plugin {
        &self.0
    }

    fn call<R: DeserializeOwned>(&self, method: &str, params: &impl Serialize) -> Result<R, UsersError> {
        self.0.call(method, params).map_err(UsersError::from)
    }
}

impl From<Error> for UsersError {
    fn from(fault: Error) -> Self {
        match fault.remote().map(|error| (error.code.code(), &error.message)) {
            Some((Self::NOT_FOUND, _)) => Self::NotFound,
            Some((Self::LOAD_FAILED, message)) => Self::LoadFailed(message.clone()),
            _ => Self::Call(Box::new(fault)),
        }
    }
}

impl Users for UsersClient {
    fn on_load(&self, file: &str) -> Result<(), UsersError> {
        self.call("users.on_load", &OnLoad { file: file.to_owned() })
    }

    fn get_user(&self, id: &UserId) -> Result<User, UsersError> {
        self.call("users.get_user", &ById { id: id.clone() })
    }

    fn get_user_by_claim(&self, claim: Claim, value: &str) -> Result<User, UsersError> {
        self.call("users.get_user_by_claim", &ByClaim { claim, value: value.to_owned() })
    }

    fn get_user_groups(&self, id: &UserId) -> Result<Vec<String>, UsersError> {
        self.call("users.get_user_groups", &ById { id: id.clone() })
    }

    fn find_users(&self, query: &str) -> Result<Vec<User>, UsersError> {
        self.call("users.find_users", &Find { query: query.to_owned() })
    }
}
