//! A contract that uses all that a contract may have. The plugin (`main.rs`) and the tests of the host are made of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use plugline_sdk::{Big, Bytes, CallFailed, Context, ContractError, Items, contract};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Keeps pictures.
#[contract(name = "gallery", version = "1.2.0")]
pub(crate) trait Gallery: Send + Sync {
    /// Gives a picture back as it came.
    #[idempotent]
    fn echo(&self, picture: &Picture) -> Result<Picture, GalleryError>;

    /// Gives back whatever it is passed, in whatever way:
    ///
    /// - by value and by reference,
    /// - required and optional.
    #[idempotent]
    #[example(
        name = "what may be left out",
        params = json!({"shapes": [], "size": 7, "title": "t", "type": "oil", "point": {"x": 0.5, "y": 1.5}}),
        result = json!({"shapes": [], "size": 7, "title": "t", "kind": "oil", "point": {"x": 0.5, "y": 1.5},
                        "frame": null, "note": null, "centre": null, "tags": null}),
    )]
    #[expect(clippy::too_many_arguments, reason = "one of each kind")]
    fn pass(
        &self,
        shapes: &[Shape],
        size: u32,
        title: &str,
        /// What it is painted with.
        r#type: String,
        point: &Point,
        frame: Option<u8>,
        note: Option<&str>,
        centre: Option<&Point>,
        tags: Option<&[String]>,
    ) -> Result<Passed, GalleryError>;

    /// Does nothing, and returns nothing.
    fn nothing(&self) -> Result<(), GalleryError>;

    /// Fails, as it is told.
    #[example(name = "no data", params = json!({"how": "Missing"}), error = 1)]
    #[example(name = "one value", params = json!({"how": {"Taken": {"by": "ada"}}}), error = 3)]
    fn fail(&self, how: &Failing) -> Result<(), GalleryError>;

    /// Waits until nobody waits for it any more, and says that it began.
    fn wait(&self, context: &Context) -> Result<(), GalleryError>;

    /// Says of each step that it is done, and how often its caller was told.
    fn work(&self, context: &Context, steps: u32) -> Result<u32, GalleryError>;

    /// Notes something.
    #[notification]
    fn note(&self, text: &str);

    /// Notes something else; whether that was sent, its sender learns.
    #[notification]
    fn note_surely(&self, text: String) -> Result<(), CallFailed>;

    /// What was noted.
    fn notes(&self) -> Result<Vec<String>, CallFailed>;

    /// Counts up, and fails where it is told to.
    #[example(name = "to two", params = json!({"end": 2}), output = json!([0, 1]), result = json!("2 numbers"))]
    #[example(name = "nothing there", params = json!({"end": 0}), error = 1)]
    fn count(&self, end: u64, fail_at: Option<u64>)
    -> Result<Items<u64, GalleryError, String>, GalleryError>;

    /// Counts up without end, until nobody wants more.
    fn forever(&self, context: &Context) -> Result<Items<u64, GalleryError>, GalleryError>;

    /// The sum of all numbers.
    #[example(name = "the answer", params = json!({}), input = json!([40, 2]), result = json!(42))]
    fn sum(&self, numbers: Items<i64, CallFailed>) -> Result<i64, GalleryError>;

    /// The first that is as large as that; what comes after it is not wanted.
    fn first(&self, least: i64, numbers: Items<i64, CallFailed>) -> Result<Option<i64>, GalleryError>;

    /// Twice each number, as it comes.
    fn double(&self, numbers: Items<i64, CallFailed>) -> Result<Items<i64, GalleryError>, GalleryError>;

    /// Asks the curator, who is its caller's.
    fn ask(&self, context: &Context, question: &str) -> Result<String, GalleryError>;

    /// Whether its log reaches its caller.
    fn log(&self, context: &Context, text: &str) -> Result<(), GalleryError>;
}

/// What a gallery asks of its host.
#[contract(name = "curator", version = "0.3.1")]
pub(crate) trait Curator: Send + Sync {
    /// Answers a question; to "more" by asking in turn.
    fn answer(&self, context: &Context, question: &str) -> Result<String, CuratorError>;

    /// Is told what was asked.
    #[notification]
    fn asked(&self, question: &str);
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Picture {
    pub(crate) title: String,
    pub(crate) shape: Shape,
    pub(crate) paint: Paint,
    pub(crate) medium: Medium,
    pub(crate) pixels: Bytes,
    pub(crate) number: Big<u128>,
    pub(crate) balance: Big<i64>,
    pub(crate) painted: SystemTime,
    pub(crate) took: Duration,
    pub(crate) prices: BTreeMap<String, f64>,
    pub(crate) rooms: BTreeMap<u16, Vec<Point>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sketch: Option<Box<Picture>>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    pub(crate) corners: (Point, Point),
    pub(crate) signature: Option<char>,
    pub(crate) checksum: [u8; 4],
    #[serde(flatten)]
    pub(crate) frame: Frame,
}

/// Members of what holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Frame {
    pub(crate) width: f32,
    pub(crate) gilded: bool,
}

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// Told by a tag within; a group holds more of its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Shape {
    Circle { centre: Point, radius: f64 },
    Polygon { points: Vec<Point> },
    Group { shapes: Vec<Shape>, name: Option<String> },
    Nothing,
}

/// Told by the one member that there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Paint {
    None,
    Solid(u32),
    Gradient { from: u32, to: u32 },
    Layers(Vec<Paint>),
}

/// Told by a tag beside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "t", content = "c")]
pub(crate) enum Medium {
    Paper,
    Canvas(Weave),
    Mixed(Box<Medium>, Box<Medium>),
}

/// A plain enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Weave {
    Linen,
    Cotton,
}

/// What [`Gallery::pass`] was passed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Passed {
    pub(crate) shapes: Vec<Shape>,
    pub(crate) size: u32,
    pub(crate) title: String,
    pub(crate) kind: String,
    pub(crate) point: Point,
    pub(crate) frame: Option<u8>,
    pub(crate) note: Option<String>,
    pub(crate) centre: Option<Point>,
    pub(crate) tags: Option<Vec<String>>,
}

/// How [`Gallery::fail`] is to fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Failing {
    Missing,
    Full(u32),
    Taken {
        by: String,
    },
    /// Of what another call failed of.
    Other,
    Panic,
}

/// Why a gallery cannot do what it is asked.
#[derive(Debug, thiserror::Error, ContractError)]
pub(crate) enum GalleryError {
    /// There is no such thing.
    #[error("there is nothing of that")]
    #[code(1)]
    Missing,
    #[error("there is no room for more than {0}")]
    #[code(-7)]
    Full(u32),
    #[error("it was taken by {by}")]
    #[code(3)]
    Taken {
        /// Who has it.
        by: String,
        paid: Option<Big<u64>>,
    },
    #[error(transparent)]
    Call(#[from] CallFailed),
}

/// Why a curator does not answer.
#[derive(Debug, thiserror::Error, ContractError)]
pub(crate) enum CuratorError {
    #[error("nobody asks such things: {question}")]
    #[code(1)]
    Rude { question: String },
    #[error(transparent)]
    Call(#[from] CallFailed),
}
