//! Several processes and threads at one store.

use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plugline_host::store::{InstallOptions, PackageLimits, Source, Step, StoreError};
use rustix::fs::{FlockOperation, flock};

use super::pack::{Shop, directory};

/// All of them are there in the end, and while they come each look at the store finds it whole.
#[test]
fn many_install_at_once_while_others_read() {
    let shop = Shop::new();
    let sources: Vec<_> =
        (0..8).map(|at| directory(&shop.at(&format!("s{at}")), &format!("1.0.{at}"), "")).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0_u32;
            while !done.load(Ordering::Relaxed) {
                let listing = shop.store.list().unwrap();
                assert!(listing.faults.is_empty(), "{:?}", listing.faults);
                for plugin in listing.plugins {
                    shop.store.open(plugin.current()).unwrap();
                }
                looks += 1;
            }
            looks
        });
        let installs: Vec<_> =
            sources.iter().map(|source| scope.spawn(|| shop.install(source).map(|_| ()))).collect();
        for install in installs {
            install.join().unwrap().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
    assert_eq!(shop.users().releases.len(), 8);
    shop.assert_sound();
}

#[test]
fn who_waits_knows_for_whom_and_not_for_ever() {
    let shop = Shop::new();
    let source = Source::Path(directory(&shop.at("first"), "1.0.0", ""));
    let mut limits = PackageLimits::default();
    limits.lock_wait = Duration::ZERO;
    let hurried = InstallOptions { limits, ..InstallOptions::default() };
    shop.store.install(&source, &hurried, &mut |_| {}).unwrap();
    let lock = File::options().read(true).write(true).open(shop.store.root().join("lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let mut waited_for = String::new();
    let refused = shop.store.install(&source, &hurried, &mut |step| {
        if let Step::Waiting { holder } = step {
            holder.clone_into(&mut waited_for);
        }
    });
    let said = refused.unwrap_err();
    assert!(matches!(said, StoreError::Locked { .. }), "{said}");
    // This very process, which had it before.
    let own = format!("process {} (", std::process::id());
    assert!(waited_for.starts_with(&own), "{waited_for}");
    assert!(said.to_string().contains(&own), "{said}");
    // It goes on when the other is done.
    let second = Source::Path(directory(&shop.at("second"), "2.0.0", ""));
    let mut held = Some(lock);
    shop.store
        .install(&second, &InstallOptions::default(), &mut |step| {
            if matches!(step, Step::Waiting { .. }) {
                drop(held.take());
            }
        })
        .unwrap();
    assert!(held.is_none());
}

/// Fetching holds no lock.
#[test]
fn an_install_that_takes_long_keeps_nobody_waiting() {
    let shop = Shop::new();
    let slow = Source::Path(directory(&shop.at("slow"), "1.0.0", ""));
    let mut others = 0;
    let outcome = shop.store.install(&slow, &InstallOptions::default(), &mut |step| {
        if matches!(step, Step::Unpacked { path: "plugin.py", .. }) {
            shop.install(&directory(&shop.at("fast"), "2.0.0", "")).unwrap();
            others += 1;
        }
    });
    assert_eq!(outcome.unwrap().plugin.releases.len(), 2);
    assert_eq!(others, 1);
    shop.assert_sound();
}

/// What somebody makes now is not swept up; what a dead process left is.
#[test]
fn only_what_is_left_behind_is_swept() {
    let shop = Shop::new();
    shop.install(&directory(&shop.at("first"), "1.0.0", "")).unwrap();
    let staging = shop.store.root().join("staging");
    fs::create_dir_all(staging.join("1-0-dead/unpacked/deep")).unwrap();
    fs::write(staging.join("1-0-dead/owner"), "").unwrap();
    fs::write(staging.join("stray"), "").unwrap();
    fs::create_dir_all(shop.store.root().join("content/0123/package")).unwrap();
    assert_eq!(shop.store.examine().complaints.len(), 1);
    shop.install(&directory(&shop.at("second"), "2.0.0", "")).unwrap();
    assert_eq!((shop.names("staging").len(), shop.names("content").len()), (0, 2));
    shop.assert_sound();
}
