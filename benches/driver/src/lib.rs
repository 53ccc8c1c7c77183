//! What every measured system shares, whatever its dependencies: the [workload](Manager), and the line protocol
//! between `compare` and the client that measures one system inside its own process.
#![forbid(unsafe_code)]

mod clock;
mod list;
mod protocol;
mod session;
mod workload;

pub use clock::{cpu_time, process_time};
pub use list::UserList;
pub use protocol::{Request, Response, serve};
pub use session::{Instance, Session, System};
pub use workload::{
    Answer, Manager, Method, Opaque, OpaqueEntry, User, UserId, einstein, expect, found_nobody,
};

/// Why something could not be measured.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;
