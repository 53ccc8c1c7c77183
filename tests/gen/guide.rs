//! `docs/contract-first.md`: its files are written, its commands run, and what they print is what it says.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::workshop::{Go, PLUGLINE, Python, TypeScript, root, target, told};

/// A block of the page: what stands behind the backquotes, and what is in it.
struct Block<'a> {
    head: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut within = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(_) if within => within = false,
            Some(head) => {
                within = true;
                blocks.push(Block { head, text: String::new() });
            }
            None if within => {
                let text = &mut blocks.last_mut().expect("a block is open").text;
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    blocks
}

fn word<'a>(head: &'a str, key: &str) -> Option<&'a str> {
    head.split_whitespace().find_map(|word| word.strip_prefix(key))
}

#[test]
fn the_guide_works_as_it_is_written() {
    let page = fs::read_to_string(root().join("docs/contract-first.md")).unwrap();
    let blocks = blocks(&page);
    let folder = tempfile::tempdir().unwrap();
    let here = |text: &str| text.replace("$PLUGLINE", &root().display().to_string());
    for block in &blocks {
        if let Some(file) = word(block.head, "file=") {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, here(&block.text)).unwrap();
        }
    }
    // What a reader would have installed.
    fs::copy(root().join("Cargo.lock"), folder.path().join("rust/Cargo.lock")).unwrap();
    // Most of what it is made of has been built there already.
    std::os::unix::fs::symlink(target(), folder.path().join("rust/target")).unwrap();
    let mut path = vec![Path::new(PLUGLINE).parent().unwrap().to_owned()];
    let mut languages = vec!["rust"];
    if Python::get().is_some() {
        path.push(root().join(".venv/bin"));
        languages.push("python");
    }
    if TypeScript::get().is_some() {
        let modules = root().join("tests/typescript/node_modules");
        std::os::unix::fs::symlink(&modules, folder.path().join("node_modules")).unwrap();
        path.push(modules.join(".bin"));
        languages.push("typescript");
    }
    if Go::get().is_some() {
        languages.push("go");
    }
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let mut ran = 0;
    for (at, block) in blocks.iter().enumerate() {
        let Some(language) = word(block.head, "run=").filter(|language| languages.contains(language)) else {
            continue;
        };
        let output = Command::new("sh")
            .args(["-ec", &block.text])
            .current_dir(folder.path())
            .env("PATH", std::env::join_paths(&path).unwrap())
            .env("PYTHONPATH", root().join("sdk-python/src"))
            .env_remove("CARGO_TARGET_DIR")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{language}: {}\n{}", block.text, told(&output));
        ran += 1;
        if let Some(said) = blocks.get(at + 1).filter(|next| next.head == "console") {
            assert_eq!(String::from_utf8(output.stdout).unwrap(), said.text, "{language}: {}", block.text);
        }
    }
    assert_eq!(ran, 2 * languages.len());
}
