//! The contract: what a plugin declares of itself, as an OpenRPC document. Pure.
//!
//! [`Document`] holds a document as it is. A [`Manifest`] is one that was read and checked, with what checks values
//! against its schemas; it needs the feature `validate`, which brings a JSON Schema library that a plugin need not
//! carry (decision 005).
//!
//! - `document.rs`: the document. `draft.rs` makes one of what is known of methods (`about.rs`) and their types
//!   (`definitions.rs`); `merge.rs` makes one manifest of several contracts.
//! - `compatible.rs`: whether a plugin's document has what a caller's contract asks for; `shape.rs` compares schemas
//!   for it.
//! - `manifest.rs`: reading (`strict_json.rs`), one form (`normalise.rs`), then the rules (`check/`), each fault with its
//!   place (`fault.rs`).
//! - `schema.rs` and `places.rs`: where schemas stand, and what stands within them.
//! - `values.rs`: values against schemas, through the library that only `engine.rs` knows; `cost.rs`, `pattern.rs` and `stack.rs`
//!   bound what that takes. `write_only.rs`: which parts of a value are not to be shown.
//! - `diff/`: what changed, for whom, and whether versions tell. `generate/`: values made from schemas.

mod about;
mod compatible;
mod definitions;
mod document;
mod draft;
mod equality;
mod fault;
mod merge;
mod places;
mod schema;
mod shape;

#[cfg(feature = "validate")]
mod check;
#[cfg(feature = "validate")]
mod cost;
#[cfg(feature = "validate")]
mod diff;
#[cfg(feature = "validate")]
mod engine;
#[cfg(feature = "validate")]
mod generate;
#[cfg(feature = "validate")]
mod manifest;
mod normalise;
#[cfg(feature = "validate")]
mod pattern;
#[cfg(feature = "validate")]
mod stack;
#[cfg(feature = "validate")]
mod strict_json;
#[cfg(feature = "validate")]
mod values;
#[cfg(feature = "validate")]
mod write_only;

pub use about::{About, ErrorsOf, ParamOf, ParamsOf, Presence, SchemaOf, schema_of};
pub use compatible::{Mismatch, Wanted, compatible};
#[cfg(feature = "validate")]
pub use diff::{Change, Diff, Level, Owner, Step, Versions};
pub use document::{
    AnyError, Components, ContentDescriptor, DeclaredError, Document, ErrorSet, Example, ExamplePairing,
    ExampleValue, Info, Instances, Method, MethodExtension, OPENRPC_VERSION, ParamStructure,
    RequiredContract, Resolved, RootExtension, WireError,
};
pub use draft::Draft;
pub use equality::same;
pub use fault::{Fault, Faults};
#[cfg(feature = "validate")]
pub use generate::seed_of;
#[cfg(feature = "validate")]
pub use manifest::Manifest;
pub use merge::merge;
pub use schema::target_name as shared_schema;
#[cfg(feature = "validate")]
pub use values::{Part, Validators, ValueFaults, params_schema};
