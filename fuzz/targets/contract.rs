//! Two texts, apart by a NUL → documents: read, checked, compared, put together, made into code. What is read is read
//! again from what is written; a document does not differ from itself, and fits itself; what is said of it is escaped.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugline_fuzz::{assert_harmless, generator};
use plugline_protocol::contract::{Diff, Manifest, Wanted, compatible, merge};

fuzz_target!(|bytes: &[u8]| {
    let mut texts = bytes.splitn(2, |&byte| byte == 0);
    let manifests: Vec<Manifest> = texts.by_ref().filter_map(read).collect();
    for manifest in &manifests {
        check(manifest);
    }
    if let [one, other] = &manifests[..] {
        for (old, new) in [(one, other), (other, one)] {
            let diff = Diff::between(old, new);
            for change in &diff.changes {
                assert_harmless(&format!("{} {} {}", change.owner, change.place, change.what));
            }
            for versions in &diff.versions {
                let _said = (versions.is_told(), versions.wanted());
            }
            if let Ok(merged) = merge(old.document().clone(), [new.document().clone()]) {
                // Whether it keeps the rules is for its checks to say.
                let _checked = Manifest::of(&merged);
            }
            fits(old, new);
        }
    }
});

fn read(text: &[u8]) -> Option<Manifest> {
    match Manifest::read(text) {
        Ok(manifest) => Some(manifest),
        Err(faults) => {
            assert!((1..=200).contains(&faults.as_slice().len()));
            assert_harmless(&faults.to_string());
            None
        }
    }
}

fn check(manifest: &Manifest) {
    let again = match Manifest::of(manifest.document()) {
        Ok(again) => again,
        Err(faults) => panic!("what was read is refused once it is written: {faults}"),
    };
    assert_eq!(again.document(), manifest.document());
    let diff = Diff::between(manifest, &again);
    assert!(diff.changes.is_empty() && diff.is_told(), "{diff:?}");
    fits(manifest, manifest);
    generator::check(manifest);
}

fn fits(wanted: &Manifest, declared: &Manifest) {
    for provided in &wanted.document().plugline.provides {
        let wanted_of =
            Wanted { contract: &provided.contract, version: &provided.version, document: wanted.document() };
        let compared = compatible(&wanted_of, declared.document());
        if std::ptr::eq(wanted, declared) {
            assert_eq!(compared, Ok(()), "it does not fit itself");
        } else if let Err(mismatches) = compared {
            assert!(!mismatches.is_empty());
        }
    }
}
