//! A document that was read and checked. What holds one relies on the profile without asking again.

use std::sync::Arc;

use serde_json::Value;

use super::check;
use super::document::Document;
use super::fault::{Fault, Faults};
use super::normalise;
use super::strict_json;
use super::values::Validators;

/// A manifest that keeps the rules: it is an OpenRPC document, kept to the profile, its schemas can be compiled, and
/// its examples fit them.
///
/// ```
/// # let text = include_bytes!("../../tests/it/contracts/users.json");
/// use plugline_protocol::contract::Manifest;
///
/// let manifest = Manifest::read(text)?;
/// assert_eq!(manifest.document().methods[0].name, "users.get_user");
/// let params = serde_json::json!({"id": 7});
/// let faults = manifest.validators().params("users.get_user", &params).unwrap_err();
/// assert_eq!(faults[0].path, "/id");
/// # Ok::<(), plugline_protocol::contract::Faults>(())
/// ```
#[derive(Debug, Clone)]
pub struct Manifest {
    document: Arc<Document>,
    validators: Arc<Validators>,
}

impl Manifest {
    /// The longest text that is read; bytes. A manifest has to fit into a line of 1 MiB (`FRAME-12`), but a file may
    /// be indented.
    pub const LONGEST_TEXT: usize = 16 << 20;

    /// Reads the text of a document and checks it.
    ///
    /// # Errors
    /// All that is wrong with it, not the first alone.
    pub fn read(text: &[u8]) -> Result<Self, Faults> {
        if text.len() > Self::LONGEST_TEXT {
            let what = format!("the text has {} bytes, and {} are read", text.len(), Self::LONGEST_TEXT);
            return Err(Fault::new(
                "",
                "FRAME-12",
                what,
                "say it in less: it has to fit into a line of 1 MiB",
            )
            .into());
        }
        let (value, doubles) = strict_json::read(text)?;
        Self::checked(value, doubles)
    }

    /// Checks a document that is read already.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check(document: Value) -> Result<Self, Faults> {
        Self::checked(document, Vec::new())
    }

    /// Checks a document that was made here.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn of(document: &Document) -> Result<Self, Faults> {
        let value = serde_json::to_value(document)
            .map_err(|fault| Fault::new("", "CONTRACT-1", fault.to_string(), "make it of plain JSON"))?;
        Self::check(value)
    }

    fn checked(value: Value, mut faults: Vec<Fault>) -> Result<Self, Faults> {
        let value = normalise::inlined(value, &mut faults);
        faults.extend(check::all(&value));
        Faults::none_or(faults)?;
        // What the checks let through, the types can hold; if not, that is said too.
        let document: Document = serde_path_to_error::deserialize(&value).map_err(|fault| {
            let at = crate::wire::pointer(fault.path());
            Fault::new(at, "CONTRACT-1", fault.into_inner().to_string(), "give it the shape that OpenRPC has")
        })?;
        let validators = Validators::new(&document)?;
        let mut faults = check::examples(&document, &validators);
        faults.truncate(Faults::MOST);
        Faults::none_or(faults)?;
        Ok(Self { document: Arc::new(document), validators: Arc::new(validators) })
    }

    /// The document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What checks values against its schemas.
    pub fn validators(&self) -> &Arc<Validators> {
        &self.validators
    }
}
