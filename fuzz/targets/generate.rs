//! A document made of choices → code in four languages: whatever its names and its texts, the names in the code are
//! identifiers, and no text leaves its comment or its string.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::{Corpus, fuzz_target};
use plugline_fuzz::{document, generator};
use plugline_protocol::contract::Manifest;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(document) = document::document(&mut Unstructured::new(bytes)) else { return Corpus::Reject };
    match Manifest::check(document) {
        Ok(manifest) if generator::check(&manifest) => Corpus::Keep,
        Ok(_) | Err(_) => Corpus::Reject,
    }
});
