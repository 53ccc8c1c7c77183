//! Puts the cases, the requirements and the lists of mutants into the library, so that an installed
//! suite needs no files beside it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut list = String::from("pub(crate) static FILES: &[(&str, &[u8])] = &[\n");
    for folder in ["cases", "requirements", "mutants"] {
        println!("cargo::rerun-if-changed={folder}");
        let folder = root.join(folder);
        if folder.is_dir() {
            visit(&folder, &root, &mut list);
        }
    }
    list.push_str("];\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    std::fs::write(out.join("files.rs"), list).expect("cargo's own directory can be written");
}

fn visit(folder: &Path, root: &Path, list: &mut String) {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            visit(&path, root, list);
        } else if path.extension().is_none_or(|ext| ext != "md") {
            let name = path.strip_prefix(root).expect("it is below the root").display().to_string();
            writeln!(list, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())
                .expect("a string takes all that is written");
        }
    }
}
