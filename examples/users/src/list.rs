//! The lookups over users that are at hand, wherever they were read from.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::{Claim, User, UserId, Users, UsersError};

type Read = dyn Fn(&str) -> Result<Vec<User>, UsersError> + Send + Sync;

/// Users that were read from a file.
pub struct UserList {
    users: RwLock<Vec<User>>,
    read: Box<Read>,
}

impl UserList {
    /// These users, until a file is loaded, which that function reads.
    pub(crate) fn new(
        users: Vec<User>,
        read: impl Fn(&str) -> Result<Vec<User>, UsersError> + Send + Sync + 'static,
    ) -> Self {
        Self { users: RwLock::new(users), read: Box::new(read) }
    }

    fn users(&self) -> RwLockReadGuard<'_, Vec<User>> {
        self.users.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn find<T>(&self, wanted: impl Fn(&User) -> bool, take: impl Fn(&User) -> T) -> Result<T, UsersError> {
        self.users().iter().find(|user| wanted(user)).map(take).ok_or(UsersError::NotFound)
    }
}

impl Users for UserList {
    fn on_load(&self, file: &str) -> Result<(), UsersError> {
        let users = (self.read)(file)?;
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = users;
        Ok(())
    }

    fn get_user(&self, id: &UserId) -> Result<User, UsersError> {
        self.find(|user| user.id == *id, User::clone)
    }

    fn get_user_by_claim(&self, claim: Claim, value: &str) -> Result<User, UsersError> {
        self.find(|user| user.has(claim, value), User::clone)
    }

    fn get_user_groups(&self, id: &UserId) -> Result<Vec<String>, UsersError> {
        self.find(|user| user.id == *id, |user| user.groups.clone())
    }

    fn find_users(&self, query: &str) -> Result<Vec<User>, UsersError> {
        let query = query.to_lowercase();
        Ok(self.users().iter().filter(|user| user.matches(&query)).cloned().collect())
    }
}
