//! A plugin in a few lines. See the documentation of the crate.

use plugline_sdk::{Call, Error, Method, Plugin};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Hello {
    /// Whom to greet.
    name: String,
}

fn main() -> std::process::ExitCode {
    Plugin::new("greeter", "0.1.0")
        .provides("greet", "1.0.0")
        .method(Method::new("greet.hello", |(), hello: Hello, _: &Call| {
            Ok::<_, Error>(format!("Hello, {}!", hello.name))
        }))
        .serve()
}
