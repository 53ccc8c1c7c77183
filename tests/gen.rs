//! What `plugline contract gen` writes: that it is laid out as each language's formatter leaves it, compiles, and runs
//! against plugins and hosts in the other languages.

#[path = "gen/documents.rs"]
mod documents;
#[path = "gen/files.rs"]
mod files;
#[path = "gen/guide.rs"]
mod guide;
#[path = "gen/languages.rs"]
mod languages;
#[path = "gen/promises.rs"]
mod promises;
#[path = "gen/round_trip.rs"]
mod round_trip;
#[path = "gen/workshop.rs"]
mod workshop;
