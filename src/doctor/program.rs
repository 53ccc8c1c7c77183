//! A file that is to be started: whether this machine can, and if not, why.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::Findings;
use super::machine::{find, is_program};

/// What a first line may have, as Linux reads it; bytes.
const FIRST_LINE: usize = 256;

pub(super) fn examine(path: &Path, findings: &mut Findings) {
    let shown = path.display();
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(fault) => {
            findings.wrong("program", format!("{shown}: {fault}"), "check the path and who may read it");
            return;
        }
    };
    if path.is_dir() {
        findings.wrong("program", format!("{shown} is a directory"), "a directory has a plugline.toml");
        return;
    }
    if is_program(path) {
        findings.fine("program", format!("{shown} is executable"));
    } else {
        findings.wrong("program", format!("{shown} is not executable"), format!("chmod +x {shown}"));
    }
    let mut head = vec![0; FIRST_LINE];
    let mut length = 0;
    while let Ok(read @ 1..) = file.read(&mut head[length..]) {
        length += read;
    }
    head.truncate(length);
    match &head[..] {
        [b'#', b'!', line @ ..] => interpreter(line, findings),
        [0x7f, b'E', b'L', b'F', ..] => elf(&head, &mut file, findings),
        [b'M', b'Z', ..] if cfg!(not(windows)) => other_system("Windows", findings),
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..]
            if cfg!(not(target_os = "macos")) =>
        {
            other_system("macOS", findings);
        }
        [] => findings.wrong(
            "program",
            format!("{shown} is empty"),
            "a program, or a script with a first line #!…",
        ),
        _ if head.iter().all(|&byte| byte != 0) && cfg!(unix) => findings.wrong(
            "program",
            format!("{shown} is text without #! in its first line"),
            "begin it with the interpreter: #!/usr/bin/env python3",
        ),
        _ => {}
    }
}

fn other_system(system: &str, findings: &mut Findings) {
    findings.wrong("program", format!("it is a program for {system}"), "get the one for this machine");
}

/// What follows `#!`.
fn interpreter(line: &[u8], findings: &mut Findings) {
    let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
        findings.wrong(
            "interpreter",
            "the first line has no end within 256 bytes",
            "make it shorter: Linux reads no further",
        );
        return;
    };
    let text = String::from_utf8_lossy(&line[..end]).into_owned();
    if text.ends_with('\r') {
        findings.wrong(
            "interpreter",
            "the first line ends as on Windows (CR LF), so the interpreter's name has a CR",
            "save the file with LF alone: sed -i 's/\\r$//' FILE",
        );
        return;
    }
    let mut words = text.split_whitespace();
    let Some(program) = words.next() else {
        findings.wrong("interpreter", "#! names none", "name one: #!/usr/bin/env python3");
        return;
    };
    if !is_program(Path::new(program)) {
        findings.wrong(
            "interpreter",
            format!("{program}, which its first line names, is no program of this machine"),
            "install it, or name another in the first line",
        );
        return;
    }
    if !program.ends_with("/env") {
        findings.fine("interpreter", program.to_owned());
        return;
    }
    // Of env's options only -S is met in first lines; NAME=VALUE may stand before the program.
    let named = words.find(|word| !word.starts_with('-') && !word.contains('='));
    match named.map(|name| (name, find(name))) {
        Some((_, Some(path))) => findings.fine("interpreter", path.display().to_string()),
        Some((name, None)) => findings.wrong(
            "interpreter",
            format!("{name}, which its first line names, is not on PATH"),
            "install it; a plugin has the PATH of its host",
        ),
        None => findings.wrong("interpreter", "its first line has env, and no program", "name one after env"),
    }
}

/// The machine's number in an ELF file, where this program knows its own.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(62)
} else if cfg!(target_arch = "aarch64") {
    Some(183)
} else if cfg!(target_arch = "riscv64") {
    Some(243)
} else if cfg!(target_arch = "x86") {
    Some(3)
} else if cfg!(target_arch = "arm") {
    Some(40)
} else {
    None
};

/// An ELF file (System V ABI, chapter 4), of the kind that this machine has: its architecture, and the loader it asks for.
fn elf(head: &[u8], file: &mut File, findings: &mut Findings) {
    if cfg!(target_os = "macos") {
        return other_system("Linux", findings);
    }
    let number = |at: usize, bytes: usize| -> Option<u64> {
        let bytes = head.get(at..at + bytes)?;
        Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    };
    // Little-endian, 64 bit; others are left to the system, which says no as well.
    if head.get(4..6) != Some(&[2, 1]) {
        return;
    }
    if let (Some(machine), Some(wanted)) = (number(18, 2), MACHINE)
        && machine != u64::from(wanted)
    {
        let here = std::env::consts::ARCH;
        findings.wrong(
            "program",
            format!("it is for another architecture (ELF machine {machine}), and this is {here}"),
            "get the one for this machine",
        );
        return;
    }
    if let Some(loader) = loader(file, number(32, 8), number(54, 2), number(56, 2)) {
        if Path::new(&loader).exists() {
            findings.fine("loader", loader);
        } else {
            findings.wrong(
                "loader",
                format!("{loader}, which it needs to start, is not on this machine"),
                "it was built for another C library (glibc, musl): get or build one for this machine, or a static one",
            );
        }
    }
}

/// What the segment `PT_INTERP` says.
fn loader(file: &mut File, table: Option<u64>, size: Option<u64>, count: Option<u64>) -> Option<String> {
    const INTERPRETER: u32 = 3;
    let (table, size, count) = (table?, size?, count?);
    for at in 0..count.min(64) {
        let mut header = [0; 56];
        file.seek(SeekFrom::Start(table.checked_add(at * size)?)).ok()?;
        file.read_exact(&mut header).ok()?;
        let long = |at: usize| header[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        if u32::from_le_bytes(header[..4].try_into().ok()?) == INTERPRETER {
            let mut path = vec![0; usize::try_from(long(32)?).ok().filter(|&length| length <= 4096)?];
            file.seek(SeekFrom::Start(long(8)?)).ok()?;
            file.read_exact(&mut path).ok()?;
            return Some(String::from_utf8_lossy(&path).trim_end_matches('\0').to_owned());
        }
    }
    None
}
