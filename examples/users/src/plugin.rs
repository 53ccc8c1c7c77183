//! Serving any implementation of the contract.

use plugline_sdk::{Call, Error, Instances, Method, Plugin, Refusal, error};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Claim, User, UserId, Users, UsersError};

/// Params of `users.on_load`.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct OnLoad {
    /// The file to load.
    pub(crate) file: String,
}

/// Params of `users.get_user` and `users.get_user_groups`.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct ById {
    /// Whose id it is.
    pub(crate) id: UserId,
}

/// Params of `users.get_user_by_claim`.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct ByClaim {
    /// What is compared.
    pub(crate) claim: Claim,
    /// What it must be.
    pub(crate) value: String,
}

/// Params of `users.find_users`.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Find {
    /// What to look for.
    pub(crate) query: String,
}

impl From<UsersError> for Error {
    fn from(fault: UsersError) -> Self {
        let code = match fault {
            UsersError::NotFound => UsersError::NOT_FOUND,
            UsersError::LoadFailed(_) => UsersError::LOAD_FAILED,
            UsersError::Call(_) => plugline_sdk::ErrorCode::InternalError.code(),
        };
        error(code, fault.to_string(), None)
    }
}

/// A plugin that serves the contract; `finish` sees each method before it is registered, to add examples.
pub fn plugin<U, C, E>(
    name: &str,
    make: impl Fn(C) -> Result<U, E> + Send + Sync + 'static,
    finish: impl Fn(Method<U>) -> Method<U>,
) -> Plugin<U>
where
    U: Users + 'static,
    C: DeserializeOwned + JsonSchema,
    E: Into<Refusal>,
{
    let not_found = |method: Method<U>| method.error(UsersError::NOT_FOUND, "NotFound", "no such user");
    let on_load = Method::new("users.on_load", |users: &U, p: OnLoad, _: &Call| users.on_load(&p.file))
        .describe("Replaces the users with those of that file.")
        .error(UsersError::LOAD_FAILED, "LoadFailed", "the users cannot be loaded");
    let get_user = Method::new("users.get_user", |users: &U, p: ById, _: &Call| users.get_user(&p.id))
        .describe("Finds one user by id.");
    let by_claim =
        Method::new("users.get_user_by_claim", |users: &U, p: ByClaim, _: &Call| -> Result<User, _> {
            users.get_user_by_claim(p.claim, &p.value)
        })
        .describe("Finds one user by something that only they have.");
    let groups =
        Method::new("users.get_user_groups", |users: &U, p: ById, _: &Call| users.get_user_groups(&p.id))
            .describe("The names of the groups that a user is in.");
    let find = Method::new("users.find_users", |users: &U, p: Find, _: &Call| users.find_users(&p.query)).describe(
        "Finds the users whose username, display name, mail or opaque id contains the query, in whatever case.",
    );
    Plugin::configured(name, env!("CARGO_PKG_VERSION"), make)
        .provides("users", "1.0.0")
        .instances(Instances::Many)
        .method(finish(on_load.idempotent()))
        .method(finish(not_found(get_user).idempotent()))
        .method(finish(not_found(by_claim).idempotent()))
        .method(finish(not_found(groups).idempotent()))
        .method(finish(find.idempotent()))
}
