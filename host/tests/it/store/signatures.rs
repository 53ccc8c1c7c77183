//! SHA-256 and signatures: looked at before anything is unpacked.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use minisign::KeyPair;
use plugline_host::package::Sha256;
use plugline_host::store::{InstallOptions, Key, Step};

use super::pack::{Pack, Shop};

fn key(pair: &KeyPair) -> Key {
    pair.pk.to_base64().parse().unwrap()
}

fn sign(pair: &KeyPair, archive: &Path) {
    let bytes = fs::read(archive).unwrap();
    let signature = minisign::sign(Some(&pair.pk), &pair.sk, Cursor::new(bytes), None, None).unwrap();
    fs::write(archive.with_extension("gz.minisig"), signature.into_string()).unwrap();
}

#[test]
fn a_signature_by_a_listed_key() {
    let shop = Shop::new();
    let archive = Pack::of("1.0.0", "").write(&shop.at("p.tar.gz"));
    let [author, friend, other] = [(); 3].map(|()| KeyPair::generate_unencrypted_keypair().unwrap());
    let by = |keys: &[&KeyPair]| {
        let keys = keys.iter().map(|pair| key(pair)).collect();
        let mut unpacked = 0;
        let options = InstallOptions { keys, ..InstallOptions::default() };
        let source = plugline_host::store::Source::Path(archive.clone());
        let outcome = shop.store.install(&source, &options, &mut |step| {
            unpacked += usize::from(matches!(step, Step::Unpacked { .. }));
        });
        if outcome.is_err() {
            assert_eq!(unpacked, 0, "it is checked before it is unpacked");
        }
        outcome.map(|it| it.plugin.current().origin.signed_by.clone()).map_err(|fault| fault.to_string())
    };
    let said = by(&[&author]).unwrap_err();
    assert!(said.contains("there is no signature beside it") && said.contains("p.tar.gz.minisig"), "{said}");
    sign(&author, &archive);
    let said = by(&[&other]).unwrap_err();
    assert!(said.contains("not among those that were listed"), "{said}");
    // One bit of the archive.
    let right = fs::read(&archive).unwrap();
    let mut wrong = right.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 1;
    fs::write(&archive, wrong).unwrap();
    let said = by(&[&other, &author]).unwrap_err();
    assert!(said.contains("the signature is not of this archive"), "{said}");
    fs::write(&archive, right).unwrap();
    // What the signer wrote beside it is signed too.
    let file = archive.with_extension("gz.minisig");
    let signature = fs::read_to_string(&file).unwrap();
    fs::write(&file, signature.replace("trusted comment: t", "trusted comment: T")).unwrap();
    assert!(by(&[&author]).unwrap_err().contains("the signature is not of this archive"));
    fs::write(&file, "nonsense").unwrap();
    assert!(by(&[&author]).unwrap_err().contains("no signature of minisign"));
    fs::write(&file, signature).unwrap();
    assert_eq!(by(&[&friend, &author]).unwrap(), Some(author.pk.to_base64()));
    let said = shop.install_with(
        &super::pack::directory(&shop.at("source"), "1.0.0", ""),
        &InstallOptions { keys: vec![key(&author)], ..InstallOptions::default() },
    );
    assert!(said.unwrap_err().to_string().contains("a signature is wanted of"));
}

#[test]
fn a_sha256() {
    let shop = Shop::new();
    let archive = Pack::of("1.0.0", "").write(&shop.at("p.tar.gz"));
    let found = Sha256::of(&fs::read(&archive).unwrap());
    let with = |sha256| InstallOptions { sha256: Some(sha256), ..InstallOptions::default() };
    let wanted = Sha256::of(b"");
    let said = shop.install_with(&archive, &with(wanted.clone())).unwrap_err().to_string();
    assert!(said.ends_with(&format!("has the SHA-256 {found}, and should have {wanted}")), "{said}");
    shop.install_with(&archive, &with(found.clone())).unwrap();
    let source = super::pack::directory(&shop.at("source"), "1.0.0", "");
    let said = shop.install_with(&source, &with(found)).unwrap_err().to_string();
    assert!(said.starts_with("a SHA-256 is wanted of"), "{said}");
}

#[test]
fn keys() {
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    let shop = Shop::new();
    let file = shop.at("author.pub");
    fs::write(&file, pair.pk.to_box().unwrap().to_string()).unwrap();
    assert_eq!(Key::from_file(&file).unwrap().as_str(), pair.pk.to_base64());
    assert!(Key::from_file(&shop.at("gone")).unwrap_err().contains("No such file"));
    fs::write(&file, "untrusted comment: x\nnonsense\n").unwrap();
    assert!(Key::from_file(&file).unwrap_err().contains("is no public key"));
    assert!("nonsense".parse::<Key>().unwrap_err().contains("is no public key"));
}
