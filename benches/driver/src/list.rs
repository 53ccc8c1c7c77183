//! The lookups over users of a file: what every Rust plugin serves.

use std::fs;
use std::sync::{PoisonError, RwLock};

use crate::Fault;
use crate::workload::{Manager, User, UserId, found_nobody};

/// Users that were read from a file; none until then.
#[derive(Debug, Default)]
pub struct UserList(RwLock<Vec<User>>);

impl UserList {
    fn find<T>(&self, wanted: impl Fn(&User) -> bool, take: impl Fn(&User) -> T) -> Result<T, Fault> {
        let users = self.0.read().unwrap_or_else(PoisonError::into_inner);
        users.iter().find(|user| wanted(user)).map(take).ok_or_else(found_nobody)
    }
}

impl Manager for UserList {
    fn on_load(&self, file: &str) -> Result<(), Fault> {
        let users = serde_json::from_str(&fs::read_to_string(file)?)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = users;
        Ok(())
    }

    fn get_user(&self, id: &UserId) -> Result<User, Fault> {
        self.find(|user| user.id == *id, User::clone)
    }

    fn get_user_by_claim(&self, claim: &str, value: &str) -> Result<User, Fault> {
        let of = |user: &User| match claim {
            "mail" => user.mail == value,
            "username" => user.username == value,
            "display_name" => user.display_name == value,
            _ => false,
        };
        self.find(of, User::clone)
    }

    fn get_user_groups(&self, id: &UserId) -> Result<Vec<String>, Fault> {
        self.find(|user| user.id == *id, |user| user.groups.clone())
    }

    fn find_users(&self, query: &str) -> Result<Vec<User>, Fault> {
        let query = query.to_lowercase();
        let matches = |user: &&User| {
            [&user.username, &user.display_name, &user.mail, &user.id.opaque_id]
                .into_iter()
                .any(|text| text.to_lowercase().contains(&query))
        };
        let users = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(users.iter().filter(matches).cloned().collect())
    }
}
