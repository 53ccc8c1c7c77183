//! The accounts of this machine, from the passwd and group files.

use std::fs;

use plugline_sdk::{Instances, Plugin, Refusal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{User, UserId, UserList, UsersContract, UsersError};

/// The config of the plugin.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswdConfig {
    /// The accounts: passwd(5).
    pub passwd: String,
    /// The groups: group(5).
    pub group: String,
    /// Which identity provider the accounts belong to.
    pub idp: String,
}

impl Default for PasswdConfig {
    fn default() -> Self {
        Self { passwd: "/etc/passwd".into(), group: "/etc/group".into(), idp: "localhost".into() }
    }
}

/// The accounts that the config names.
///
/// # Errors
/// [`UsersError::LoadFailed`].
pub fn passwd_users(config: PasswdConfig) -> Result<UserList, UsersError> {
    let users = read_accounts(&config.passwd, &config)?;
    Ok(UserList::new(users, move |file| read_accounts(file, &config)))
}

/// A group: its name, its id and who is in it besides those whose first group it is.
struct Group<'a> {
    name: &'a str,
    id: &'a str,
    members: Vec<&'a str>,
}

fn read_accounts(passwd: &str, config: &PasswdConfig) -> Result<Vec<User>, UsersError> {
    let read = |file: &str| {
        fs::read_to_string(file)
            .map_err(|fault| UsersError::LoadFailed { reason: format!("{file}: {fault}") })
    };
    let (accounts, groups) = (read(passwd)?, read(&config.group)?);
    let groups: Vec<Group<'_>> = groups.lines().filter_map(parse_group).collect();
    Ok(accounts.lines().filter_map(|line| parse_account(line, &groups, &config.idp)).collect())
}

fn parse_group(line: &str) -> Option<Group<'_>> {
    let mut fields = line.split(':');
    let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
    let members = fields.next()?.split(',').filter(|member| !member.is_empty()).collect();
    Some(Group { name, id, members })
}

fn parse_account(line: &str, groups: &[Group<'_>], idp: &str) -> Option<User> {
    let mut fields = line.split(':');
    let (name, _password, uid) = (fields.next()?, fields.next()?, fields.next()?);
    let (gid, gecos) = (fields.next()?, fields.next()?);
    if name.is_empty() || name.starts_with(['#', '+', '-']) {
        return None;
    }
    let full_name = gecos.split(',').next().filter(|full_name| !full_name.is_empty());
    Some(User {
        id: UserId { opaque_id: uid.to_owned(), idp: idp.to_owned() },
        username: name.to_owned(),
        mail: format!("{name}@{idp}"),
        display_name: full_name.unwrap_or(name).to_owned(),
        groups: groups
            .iter()
            .filter(|group| group.id == gid || group.members.contains(&name))
            .map(|group| group.name.to_owned())
            .collect(),
        opaque: None,
    })
}

/// The plugin that serves the accounts of this machine.
pub fn passwd_plugin() -> Plugin<UserList> {
    let make = |config| passwd_users(config).map_err(|fault| Refusal::from(fault.to_string()));
    Plugin::configured("users-passwd", env!("CARGO_PKG_VERSION"), make)
        .describe("The accounts of this machine.")
        .instances(Instances::Many)
        .contract(UsersContract)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_their_groups() {
        let groups: Vec<Group<'_>> =
            ["root:x:0:", "wheel:x:10:ada,bob", "ada:x:1000:"].into_iter().filter_map(parse_group).collect();
        let ada =
            parse_account("ada:x:1000:1000:Ada Lovelace,,,:/home/ada:/bin/sh", &groups, "here").unwrap();
        assert_eq!(ada.display_name, "Ada Lovelace");
        assert_eq!(ada.mail, "ada@here");
        assert_eq!(ada.groups, ["wheel", "ada"]);
        let root = parse_account("root:x:0:0::/root:/bin/sh", &groups, "here").unwrap();
        assert_eq!((root.display_name.as_str(), root.groups), ("root", vec!["root".to_owned()]));
        for line in ["", "# comment", "+::::::", "broken:x:1"] {
            assert!(parse_account(line, &groups, "here").is_none(), "{line}");
        }
    }
}
