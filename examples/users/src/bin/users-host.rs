//! A host in forty lines: starts a plugin of the `users` contract and looks somebody up, for example
//! `users-host examples/users/python/users.py examples/users/data/users.json einstein`.

use plugline_example_users::{User, Users, UsersClient};
use plugline_host::{EventKind, Plugin};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(program), Some(file), Some(query)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: users-host PLUGIN FILE QUERY".into());
    };

    // Start it and shake hands. From here on it is stopped whatever happens.
    let plugin = Plugin::command(program).host("users-host", "1.0.0").start()?;
    let who = &plugin.hello().plugin;
    eprintln!("{} {} runs as process {}", who.name, who.version, plugin.id());

    // Use it as if it were an implementation of the trait.
    let users: UsersClient = plugin.client()?;
    users.on_load(&file)?;
    for User { username, display_name, mail, .. } in users.find_users(&query)? {
        println!("{username}\t{display_name}\t{mail}");
    }

    // What it had to say besides.
    for event in plugin.events().try_iter() {
        if let EventKind::Log(log) = event.kind {
            eprintln!("[{}] {}", log.level.as_str(), plugline_host::escape(log.message.as_bytes()));
        }
    }

    // The whole ladder: asks it to go, and makes it.
    eprintln!("stopped: {:?}", plugin.stop());
    Ok(())
}
