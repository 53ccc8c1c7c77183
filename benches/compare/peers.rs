//! The peers: what each is called, what builds it, and the client that measures it.

use std::path::{Path, PathBuf};

use plugline_benches_driver::Method;

/// What builds a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// This workspace.
    Cargo,
    /// The workspace of MCP's Rust SDK.
    CargoMcp,
    /// The Go module.
    Go,
    /// A virtual environment with Plugline's package.
    Python,
    /// One with MCP's: what that needs besides, other packages would import too, and start more slowly.
    PythonMcp,
}

impl Toolchain {
    pub(crate) const ALL: [Self; 5] = [Self::Cargo, Self::CargoMcp, Self::Go, Self::Python, Self::PythonMcp];
}

/// What a client starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plugin {
    /// Its own: it knows where that is.
    Own,
    /// A script for the Python of that environment, by its path from `benches/`.
    Script(Toolchain, &'static str),
    /// A Python that does nothing.
    Pass,
}

/// One system. To add another, add an entry to [`PEERS`]: its client speaks the line protocol of
/// `plugline-benches-driver`, in whatever language.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its name on the command line and in the figures.
    pub(crate) name: &'static str,
    /// Its name in tables.
    pub(crate) label: &'static str,
    /// What builds its client.
    pub(crate) toolchain: Toolchain,
    /// The client's program and its first argument, if it has one; the file of users follows.
    client: (&'static str, Option<&'static str>),
    pub(crate) plugin: Plugin,
    /// What can be called.
    pub(crate) methods: &'static [Method],
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
    plugin: Plugin::Own,
    methods: &Method::ALL,
    is_system: true,
    is_shared: true,
    streams: false,
    is_process: true,
};

const LIMIT: Peer = Peer {
    toolchain: Toolchain::Cargo,
    // The raw pipe has one method only.
    methods: &[Method::GetUser],
    is_system: false,
    is_shared: false,
    ..SYSTEM
};

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
        client: ("bench-client", Some("line")),
        ..SYSTEM
    },
    Peer {
        name: "python",
        label: "**Plugline**, Rust host, Python plugin",
        toolchain: Toolchain::Cargo,
        client: ("bench-client", Some("plugline")),
        plugin: Plugin::Script(Toolchain::Python, "../examples/users/python-sdk/users.py"),
        ..SYSTEM
    },
    Peer {
        name: "python-loop",
        label: "bare Python loop with `json`",
        toolchain: Toolchain::Cargo,
        client: ("bench-client", Some("line")),
        plugin: Plugin::Script(Toolchain::Python, "peers/python/loop.py"),
        ..SYSTEM
    },
    Peer {
        name: "python-mcp",
        label: "MCP's Python SDK (mcp), stdio",
        toolchain: Toolchain::CargoMcp,
        client: ("mcp-client", None),
        plugin: Plugin::Script(Toolchain::PythonMcp, "peers/python/mcp_server.py"),
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
        methods: &Method::ALL,
        is_shared: true,
        is_process: false,
        ..LIMIT
    },
    Peer {
        name: "in-process-type",
        label: "in-process, by its own type",
        client: ("bench-client", Some("in-process-type")),
        is_process: false,
        ..LIMIT
    },
    Peer {
        name: "in-process-object",
        label: "in-process, through `Arc<dyn Users>`",
        client: ("bench-client", Some("in-process-object")),
        is_process: false,
        ..LIMIT
    },
    Peer {
        name: "python-pass",
        label: "`python3 -c pass`, to its end",
        client: ("bench-client", Some("run")),
        plugin: Plugin::Pass,
        methods: &[],
        ..LIMIT
    },
];

impl Peer {
    /// Whether it cannot be measured without that.
    pub(crate) fn needs(&self, toolchain: Toolchain) -> bool {
        let plugin = match self.plugin {
            Plugin::Own => self.toolchain,
            Plugin::Script(python, _) => python,
            Plugin::Pass => Toolchain::Python,
        };
        [self.toolchain, plugin].contains(&toolchain)
    }
}

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
            Toolchain::Python => self.target.join("benches-python/bin"),
            Toolchain::PythonMcp => self.target.join("benches-python-mcp/bin"),
        }
    }

    /// The client of a peer, and its arguments.
    pub(crate) fn client(&self, peer: &Peer) -> (PathBuf, Vec<String>) {
        let (program, argument) = peer.client;
        let file = self.users().to_string_lossy().into_owned();
        let args = argument.map(str::to_owned).into_iter().chain([file]).collect();
        (self.programs(peer.toolchain).join(program), args)
    }

    /// What the client of a peer is to start, where that is not its own.
    pub(crate) fn plugin(&self, peer: &Peer) -> Vec<PathBuf> {
        let python = |toolchain| self.programs(toolchain).join("python");
        match peer.plugin {
            Plugin::Own => Vec::new(),
            Plugin::Script(toolchain, script) => vec![python(toolchain), self.benches.join(script)],
            Plugin::Pass => vec![python(Toolchain::Python), "-c".into(), "pass".into()],
        }
    }
}
