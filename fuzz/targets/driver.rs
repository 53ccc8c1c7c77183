//! Text → how users name things: drivers, sources of packages, names, paths, checksums, versions. What was understood is
//! understood alike when it is written and read again; what was not is said in words that are safe to show.
#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use plugline_fuzz::assert_harmless;
use plugline_host::manager::{Driver, Span};
use plugline_host::package::{InnerPath, PackageName, Sha256};
use plugline_host::store::Source;

fuzz_target!(|text: &str| {
    match text.parse::<Driver>() {
        Ok(driver) => {
            let written = driver.to_string();
            let again = written.parse::<Driver>();
            assert_eq!(again.as_ref(), Ok(&driver), "{written:?}");
        }
        Err(fault) => assert_harmless(&fault.to_string()),
    }
    match text.parse::<Source>() {
        Ok(Source::Https(address)) => {
            assert!(address.bytes().all(|byte| byte.is_ascii_graphic()), "{address:?}");
            let shown = Source::Https(address.clone()).to_string();
            let host = address.split(['/', '?', '#']).nth(2).unwrap_or_default();
            assert!(
                !host.contains('@') || !shown.contains('@') || shown != address,
                "{shown} shows who asks"
            );
        }
        Ok(Source::Git { address, reference }) => {
            assert!(address.starts_with("https://") && !address.contains('#'), "{address:?}");
            // What would be an option of git's.
            assert!(reference.is_none_or(|reference| !reference.is_empty() && !reference.starts_with('-')));
        }
        Ok(_) => {}
        Err(fault) => assert_harmless(&fault.to_string()),
    }
    if let Ok(path) = InnerPath::new(text) {
        let root = Path::new("/package");
        let within = path.within(root);
        let inner = within.strip_prefix(root).expect("it begins there");
        assert!(inner.components().all(|part| matches!(part, Component::Normal(_))), "{within:?}");
        assert_eq!(InnerPath::new(path.as_str()).as_ref(), Ok(&path));
    }
    if let Ok(name) = PackageName::new(text) {
        assert!(!name.as_str().contains(['/', '\\', '\0']) && !name.as_str().starts_with('.'), "{name:?}");
        assert_eq!(PackageName::new(name.as_str()).as_ref(), Ok(&name));
    }
    if let Ok(hash) = Sha256::new(text) {
        assert_eq!(Sha256::new(hash.as_str()).as_ref(), Ok(&hash));
    }
    if let Ok(span) = text.parse::<Span>() {
        assert_eq!(span.to_string().parse::<Span>().as_ref(), Ok(&span));
    }
});
