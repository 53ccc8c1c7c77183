//! The workload as an MCP server: a tool a method, results as structured content.
#![forbid(unsafe_code)]

mod params;

use std::sync::Arc;

use plugline_benches_driver::{Fault, Manager, User, UserList};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{Json, ServerHandler, ServiceExt, tool, tool_handler, tool_router};

use crate::params::{ByClaim, ById, Find, Found, Groups, Nothing, OnLoad};

#[derive(Debug, Clone)]
struct Server {
    users: Arc<UserList>,
    tool_router: ToolRouter<Self>,
}

fn answer<T>(result: Result<T, Fault>) -> Result<Json<T>, String> {
    result.map(Json).map_err(|fault| fault.to_string())
}

#[tool_router]
impl Server {
    #[tool(description = "Replaces the users with those of that file.")]
    async fn on_load(&self, Parameters(p): Parameters<OnLoad>) -> Result<Json<Nothing>, String> {
        answer(self.users.on_load(&p.file).map(|()| Nothing {}))
    }

    #[tool(description = "Finds one user by id.")]
    async fn get_user(&self, Parameters(p): Parameters<ById>) -> Result<Json<User>, String> {
        answer(self.users.get_user(&p.id))
    }

    #[tool(description = "Finds one user by something that only they have.")]
    async fn get_user_by_claim(&self, Parameters(p): Parameters<ByClaim>) -> Result<Json<User>, String> {
        answer(self.users.get_user_by_claim(&p.claim, &p.value))
    }

    #[tool(description = "The names of the groups that a user is in.")]
    async fn get_user_groups(&self, Parameters(p): Parameters<ById>) -> Result<Json<Groups>, String> {
        answer(self.users.get_user_groups(&p.id).map(|groups| Groups { groups }))
    }

    #[tool(description = "Finds the users of whom something contains the query.")]
    async fn find_users(&self, Parameters(p): Parameters<Find>) -> Result<Json<Found>, String> {
        answer(self.users.find_users(&p.query).map(|users| Found { users }))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Server {}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let server = Server { users: Arc::default(), tool_router: Server::tool_router() };
    server.serve(rmcp::transport::stdio()).await?.waiting().await?;
    Ok(())
}
