//! The peers: what each is called, what builds it, and the client that measures it.

use std::path::{Path, PathBuf};

/// What builds a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// This workspace.
    Cargo,
    /// The workspace of MCP's Rust SDK.
    CargoMcp,
    /// The Go module.
    Go,
}

/// One system. To add another, add an entry to [`PEERS`]: its client speaks the line protocol of
/// `plugline-benches-driver`, in whatever language.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its name on the command line and in the figures.
    pub(crate) name: &'static str,
    /// Its name in tables.
    pub(crate) label: &'static str,
    pub(crate) toolchain: Toolchain,
    /// The client's program and its first argument, if it has one; the file of users follows.
    client: (&'static str, Option<&'static str>),
    /// Whether it is a system that one could use, and not a limit of the machine.
    pub(crate) is_system: bool,
    /// Whether callers in many threads or tasks can share one plugin.
    pub(crate) is_shared: bool,
    /// Whether it has streams.
    pub(crate) streams: bool,
    /// Whether a plugin is a process of its own.
    pub(crate) is_process: bool,
}

const SYSTEM: Peer = Peer {
    name: "",
    label: "",
    toolchain: Toolchain::Go,
    client: ("", None),
    is_system: true,
    is_shared: true,
    streams: false,
    is_process: true,
};

const LIMIT: Peer = Peer { toolchain: Toolchain::Cargo, is_system: false, is_shared: false, ..SYSTEM };

/// No peer: it keeps a core busy.
pub(crate) const SPINNING: Peer = Peer { client: ("bench-client", Some("spin")), ..LIMIT };

/// All peers, in the order of the rounds and of the tables.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: "plugline",
        label: "**Plugline**, Rust host and plugin",
        toolchain: Toolchain::Cargo,
        client: ("bench-client", Some("plugline")),
        streams: true,
        ..SYSTEM
    },
    Peer { name: "netrpc", label: "go-plugin, net/rpc", client: ("netrpc-client", None), ..SYSTEM },
    Peer { name: "grpc", label: "go-plugin, gRPC", client: ("grpc-client", None), streams: true, ..SYSTEM },
    Peer { name: "pie", label: "pie, JSON-RPC codec", client: ("pie-client", None), ..SYSTEM },
    Peer {
        name: "rmcp",
        label: "MCP's Rust SDK (rmcp), stdio",
        toolchain: Toolchain::CargoMcp,
        client: ("mcp-client", None),
        ..SYSTEM
    },
    Peer {
        name: "jsonrpc-core",
        label: "jsonrpc-core behind a line loop",
        toolchain: Toolchain::Cargo,
        client: ("bench-client", Some("jsonrpc-core")),
        ..SYSTEM
    },
    Peer {
        name: "native",
        label: "native Go plugin, in-process",
        client: ("native-client", None),
        is_process: false,
        ..SYSTEM
    },
    Peer {
        name: "echo-blocking",
        label: "raw pipe echo, blocking",
        client: ("bench-client", Some("echo-blocking")),
        streams: true,
        ..LIMIT
    },
    Peer {
        name: "echo-polling",
        label: "raw pipe echo, polling",
        client: ("bench-client", Some("echo-polling")),
        ..LIMIT
    },
    Peer {
        name: "direct",
        label: "direct trait call, in-process",
        client: ("bench-client", Some("direct")),
        is_shared: true,
        is_process: false,
        ..LIMIT
    },
];

/// The peer of that name.
pub(crate) fn named(name: &str) -> Option<&'static Peer> {
    PEERS.iter().find(|peer| peer.name == name)
}

/// Where things are.
#[derive(Debug)]
pub(crate) struct Places {
    /// The sources of the benchmarks.
    pub(crate) benches: PathBuf,
    /// What cargo builds into.
    pub(crate) target: PathBuf,
}

impl Places {
    /// Sources where this was built, programs beside this one.
    pub(crate) fn find() -> std::io::Result<Self> {
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(2).unwrap_or(Path::new("target")).to_owned();
        Ok(Self { benches: PathBuf::from(env!("CARGO_MANIFEST_DIR")), target })
    }

    /// What every `OnLoad` loads.
    pub(crate) fn users(&self) -> PathBuf {
        self.benches.join("../examples/users/data/users.json")
    }

    /// Where that toolchain's programs are built.
    pub(crate) fn programs(&self, toolchain: Toolchain) -> PathBuf {
        match toolchain {
            Toolchain::Cargo => self.target.join("release"),
            Toolchain::CargoMcp => self.target.join("benches-mcp/release"),
            Toolchain::Go => self.target.join("benches-go"),
        }
    }

    /// The client of a peer, and its arguments.
    pub(crate) fn client(&self, peer: &Peer) -> (PathBuf, Vec<String>) {
        let (program, argument) = peer.client;
        let file = self.users().to_string_lossy().into_owned();
        let args = argument.map(str::to_owned).into_iter().chain([file]).collect();
        (self.programs(peer.toolchain).join(program), args)
    }
}
