//! Measures MCP's Rust SDK with its own server or another: `mcp-client FILE [SERVER ARGUMENT…]`. The runtime is as
//! `#[tokio::main]` makes it, and the calls are tasks of it.
#![forbid(unsafe_code)]

mod params;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use plugline_benches_driver::{
    Answer, Fault, Method, Request, Response, User, cpu_time, einstein, expect, serve,
};
use rmcp::model::CallToolRequestParams;
use rmcp::service::RunningService;
use rmcp::transport::TokioChildProcess;
use rmcp::{RoleClient, ServiceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::process::Command;
use tokio::runtime::Runtime;

use crate::params::{ByClaim, ById, Find, Found, Groups, Nothing, OnLoad};

/// One running server.
struct Server {
    service: RunningService<RoleClient, ()>,
    pid: u32,
}

/// What every call of the workload is about.
struct About {
    user: User,
    file: String,
    /// The program and arguments of the server.
    server: Vec<String>,
}

struct Client {
    runtime: Runtime,
    about: Arc<About>,
    servers: Vec<Arc<Server>>,
}

fn main() -> Result<(), Fault> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("started by compare, with the file of users")?;
    let mut server: Vec<_> = args.collect();
    if server.is_empty() {
        let own = std::env::current_exe()?.with_file_name("mcp-server");
        server.push(own.into_os_string().into_string().map_err(|_| "the path of mcp-server is not Unicode")?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut client =
        Client { runtime, about: Arc::new(About { user: einstein(), file, server }), servers: Vec::new() };
    serve(|request| client.operate(request))?;
    client.stop();
    Ok(())
}

impl Client {
    fn operate(&mut self, request: &Request) -> Result<Response, Fault> {
        match request.op.as_str() {
            "start" => self.start(request.count.max(1)),
            "stop" => {
                self.stop();
                Ok(Response::default())
            }
            "sequential" | "callers" => self.measure(request),
            _ => request.unsupported(),
        }
    }

    fn start(&mut self, count: usize) -> Result<Response, Fault> {
        let mut wall = Duration::ZERO;
        for _ in 0..count {
            let about = Arc::clone(&self.about);
            let task = self.runtime.spawn(async move {
                let began = Instant::now();
                let server = Server::start(&about.server).await?;
                let loaded = server.call(Method::OnLoad, &about).await?;
                let got = server.call(Method::GetUser, &about).await?;
                let wall = began.elapsed();
                expect(Method::OnLoad, &about.user, &loaded)?;
                expect(Method::GetUser, &about.user, &got)?;
                Ok::<_, Fault>((server, wall))
            });
            let (server, took) = self.runtime.block_on(task)??;
            self.servers.push(Arc::new(server));
            wall = took;
        }
        Ok(Response { wall_ns: nanos(wall), pids: self.pids(), ..Response::default() })
    }

    fn stop(&mut self) {
        for server in self.servers.drain(..) {
            if let Ok(server) = Arc::try_unwrap(server) {
                let _ended = self.runtime.block_on(server.service.cancel());
            }
        }
    }

    fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(|server| server.pid).collect()
    }

    fn measure(&self, request: &Request) -> Result<Response, Fault> {
        let method = request.method.ok_or("which method?")?;
        let server = self.servers.first().ok_or("nothing was started")?;
        let pids = self.pids();
        let over = Arc::new(AtomicBool::new(false));
        let (cpu, began) = (cpu_time(&pids)?, Instant::now());
        let callers: Vec<_> = (0..request.callers.max(1))
            .map(|_| {
                let (server, about) = (Arc::clone(server), Arc::clone(&self.about));
                let (over, pause) = (Arc::clone(&over), request.pause());
                self.runtime.spawn(async move {
                    let mut latencies = Vec::with_capacity(1 << 12);
                    while !over.load(Ordering::Relaxed) {
                        let start = Instant::now();
                        let answer = server.call(method, &about).await?;
                        latencies.push(nanos(start.elapsed()));
                        expect(method, &about.user, &answer)?;
                        if !pause.is_zero() {
                            tokio::time::sleep(pause).await;
                        }
                    }
                    Ok::<_, Fault>(latencies)
                })
            })
            .collect();
        std::thread::sleep(request.span());
        over.store(true, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for caller in callers {
            latencies.append(&mut self.runtime.block_on(caller)??);
        }
        let (wall, cpu) = (began.elapsed(), cpu_time(&pids)?.saturating_sub(cpu));
        Ok(Response {
            wall_ns: nanos(wall),
            cpu_ns: nanos(cpu),
            calls: latencies.len(),
            batch: 1,
            latencies_ns: latencies,
            ..Response::default()
        })
    }
}

impl Server {
    async fn start(server: &[String]) -> Result<Self, Fault> {
        let (program, args) = server.split_first().ok_or("which server?")?;
        let mut command = Command::new(program);
        command.args(args);
        let transport = TokioChildProcess::new(command)?;
        let pid = transport.id().ok_or("it has ended")?;
        Ok(Self { service: ().serve(transport).await?, pid })
    }

    async fn tool<R: DeserializeOwned>(
        &self,
        name: &'static str,
        params: &impl Serialize,
    ) -> Result<R, Fault> {
        let serde_json::Value::Object(arguments) = serde_json::to_value(params)? else {
            return Err("params are objects".into());
        };
        let params = CallToolRequestParams::new(name).with_arguments(arguments);
        Ok(self.service.call_tool(params).await?.into_typed()?)
    }

    async fn call(&self, method: Method, about: &About) -> Result<Answer, Fault> {
        let by_id = || ById { id: about.user.id.clone() };
        Ok(match method {
            Method::OnLoad => {
                let Nothing {} = self.tool("on_load", &OnLoad { file: about.file.clone() }).await?;
                Answer::Loaded
            }
            Method::GetUser => Answer::User(self.tool("get_user", &by_id()).await?),
            Method::GetUserByClaim => {
                let params = ByClaim { claim: "mail".into(), value: about.user.mail.clone() };
                Answer::User(self.tool("get_user_by_claim", &params).await?)
            }
            Method::GetUserGroups => {
                let Groups { groups } = self.tool("get_user_groups", &by_id()).await?;
                Answer::Groups(groups)
            }
            Method::FindUsers => {
                let params = Find { query: about.user.username.clone() };
                let Found { users } = self.tool("find_users", &params).await?;
                Answer::Users(users)
            }
        })
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
