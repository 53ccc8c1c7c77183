//! What passes between client and server: tools take and give objects.

use plugline_benches_driver::{User, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of `on_load`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct OnLoad {
    pub(crate) file: String,
}

/// Of `get_user` and `get_user_groups`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ById {
    pub(crate) id: UserId,
}

/// Of `get_user_by_claim`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ByClaim {
    pub(crate) claim: String,
    pub(crate) value: String,
}

/// Of `find_users`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Find {
    pub(crate) query: String,
}

/// A result without content.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Nothing {}

/// Of `get_user_groups`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<String>,
}

/// Of `find_users`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Found {
    pub(crate) users: Vec<User>,
}
