//! The contract: what a plugin declares of itself, as an OpenRPC document. Pure.

mod document;

pub use document::{
    AnyError, Components, ContentDescriptor, DeclaredError, Document, ErrorSet, Example, ExamplePairing,
    ExampleValue, Info, Instances, Method, MethodExtension, OPENRPC_VERSION, ParamStructure,
    RequiredContract, RootExtension, WireError,
};
