//! Params of the methods that the bench plugin serves, as both sides see them.

use std::borrow::Cow;

use plugline_benches_driver::UserId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Params of `users.on_load`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct OnLoad<'a> {
    /// The file to load.
    pub file: Cow<'a, str>,
}

/// Params of `users.get_user` and `users.get_user_groups`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ById<'a> {
    /// Whose id it is.
    pub id: Cow<'a, UserId>,
}

/// Params of `users.get_user_by_claim`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ByClaim<'a> {
    /// What is compared.
    pub claim: Cow<'a, str>,
    /// What it must be.
    pub value: Cow<'a, str>,
}

/// Params of `users.find_users`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Find<'a> {
    /// What to look for.
    pub query: Cow<'a, str>,
}

/// Params of `bench.spin` and `bench.sleep`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Span {
    /// How long; µs.
    pub micros: u64,
}

/// Params of `bench.nested` and `bench.flood`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Times {
    /// How many.
    pub count: usize,
}

/// Params of `bench.stream`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Chunks {
    /// How long one piece is; bytes.
    pub chunk: usize,
    /// How long all of them are; bytes.
    pub bytes: usize,
}

/// Params of `bench.blob`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// How long the text is to be; bytes.
    pub size: usize,
}
