//! The workload: the `Manager` of a 2021 benchmark of Go plugin systems, its calls, and what each must give.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Fault;

/// Who somebody is.
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
    pub groups: Vec<String>,
    /// What only their provider understands.
    pub opaque: Opaque,
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

/// What every plugin serves and every client calls.
pub trait Manager: Send + Sync {
    /// Replaces the users with those of that file.
    ///
    /// # Errors
    /// [`Fault`] where it holds none, or the call failed.
    fn on_load(&self, file: &str) -> Result<(), Fault>;

    /// Finds one user by id.
    ///
    /// # Errors
    /// [`Fault`] where nobody is that, or the call failed.
    fn get_user(&self, id: &UserId) -> Result<User, Fault>;

    /// Finds one user by something that only they have: `mail`, `username` or `display_name`.
    ///
    /// # Errors
    /// [`Fault`] where nobody is that, or the call failed.
    fn get_user_by_claim(&self, claim: &str, value: &str) -> Result<User, Fault>;

    /// The names of the groups that a user is in.
    ///
    /// # Errors
    /// [`Fault`] where nobody is that, or the call failed.
    fn get_user_groups(&self, id: &UserId) -> Result<Vec<String>, Fault>;

    /// Finds the users whose username, display name, mail or opaque id contains that, in whatever case.
    ///
    /// # Errors
    /// [`Fault`] where the call failed.
    fn find_users(&self, query: &str) -> Result<Vec<User>, Fault>;
}

/// A method of the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// [`Manager::on_load`].
    OnLoad,
    /// [`Manager::get_user`].
    GetUser,
    /// [`Manager::get_user_by_claim`].
    GetUserByClaim,
    /// [`Manager::get_user_groups`].
    GetUserGroups,
    /// [`Manager::find_users`].
    FindUsers,
}

/// What a call of the workload gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of `OnLoad`.
    Loaded,
    /// Of `GetUser` and `GetUserByClaim`.
    User(User),
    /// Of `GetUserGroups`.
    Groups(Vec<String>),
    /// Of `FindUsers`.
    Users(Vec<User>),
}

impl Method {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 5] =
        [Self::OnLoad, Self::GetUser, Self::GetUserByClaim, Self::GetUserGroups, Self::FindUsers];

    /// Its name in tables and in the line protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnLoad => "OnLoad",
            Self::GetUser => "GetUser",
            Self::GetUserByClaim => "GetUserByClaim",
            Self::GetUserGroups => "GetUserGroups",
            Self::FindUsers => "FindUsers",
        }
    }

    /// Makes the workload's call of this method, about that user.
    ///
    /// # Errors
    /// That of the call.
    pub fn call(self, manager: &dyn Manager, about: &User, file: &str) -> Result<Answer, Fault> {
        Ok(match self {
            Self::OnLoad => {
                manager.on_load(file)?;
                Answer::Loaded
            }
            Self::GetUser => Answer::User(manager.get_user(&about.id)?),
            Self::GetUserByClaim => Answer::User(manager.get_user_by_claim("mail", &about.mail)?),
            Self::GetUserGroups => Answer::Groups(manager.get_user_groups(&about.id)?),
            Self::FindUsers => Answer::Users(manager.find_users(&about.username)?),
        })
    }
}

/// The user that every call is about.
pub fn einstein() -> User {
    let entry = |value: &str| OpaqueEntry { decoder: "plain".into(), value: value.into() };
    User {
        id: UserId {
            opaque_id: "4c510ada-c86b-4815-8820-42cdf82c3d51".into(),
            idp: "cernbox.cern.ch".into(),
        },
        username: "einstein".into(),
        mail: "einstein@cern.ch".into(),
        display_name: "Albert Einstein".into(),
        groups: ["sailing-lovers", "violin-haters", "physics-lovers"].map(str::to_owned).into(),
        opaque: Opaque { map: [("gid".into(), entry("OTg3")), ("uid".into(), entry("MTIz"))].into() },
    }
}

/// Asserts what a call about that user gave.
///
/// # Errors
/// [`Fault`] where it is anything else.
pub fn expect(method: Method, about: &User, answer: &Answer) -> Result<(), Fault> {
    let right = match (method, answer) {
        (Method::OnLoad, Answer::Loaded) => true,
        (Method::GetUser | Method::GetUserByClaim, Answer::User(user)) => user == about,
        (Method::GetUserGroups, Answer::Groups(groups)) => *groups == about.groups,
        (Method::FindUsers, Answer::Users(users)) => matches!(users.as_slice(), [user] if user == about),
        _ => false,
    };
    if right { Ok(()) } else { Err(format!("{}: the result is wrong: {answer:?}", method.name()).into()) }
}

/// Nobody is that.
pub fn found_nobody() -> Fault {
    "no such user".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UserList;

    #[test]
    fn every_call_gives_what_is_expected_and_nothing_else_is_taken() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/users/data/users.json");
        let (list, einstein) = (UserList::default(), einstein());
        list.on_load(file).unwrap();
        for method in Method::ALL {
            let answer = method.call(&list, &einstein, file).unwrap();
            expect(method, &einstein, &answer).unwrap();
            expect(method, &einstein, &Answer::Users(Vec::new())).unwrap_err();
        }
    }
}
