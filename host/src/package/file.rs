//! `plugline.toml` as it is written, its JSON Schema, and the rules that a schema cannot say.

use std::collections::HashMap;
use std::path::Path;

use schemars::{JsonSchema, generate::SchemaSettings};
use semver::Version;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use super::error::{PackageError, PackageFault, Place};
use super::{Arch, Artifact, InnerPath, Os, Package, PackageName, Platform, Run, Sha256};

/// What a plugin's directory has, and how it is started.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "plugline.toml")]
struct File {
    /// The plugin's name.
    #[schemars(with = "PackageName")]
    name: Spanned<PackageName>,
    /// Its version, by semver: 1.2.3.
    #[schemars(with = "String", regex(pattern = r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"))]
    version: Spanned<String>,
    /// Where its manifest is, an OpenRPC document. With it the plugin need not be started to know what it offers.
    manifest: Option<InnerPath>,
    /// The program and its arguments, the same on each platform. It runs in the plugin's directory; a first word with
    /// a slash is a path in it, one without is looked up on PATH.
    #[schemars(with = "Option<Vec<String>>", length(min = 1))]
    command: Option<Spanned<Vec<String>>>,
    /// A program for each platform, in place of `command`.
    #[serde(default, rename = "artifact")]
    #[schemars(with = "Vec<ArtifactTable>")]
    artifacts: Vec<Spanned<ArtifactTable>>,
    /// How the program is made from sources.
    #[schemars(with = "Option<Build>")]
    build: Option<Spanned<Build>>,
}

/// A program for one platform.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ArtifactTable {
    /// The operating system.
    os: Os,
    /// The architecture.
    arch: Arch,
    /// Where the program is.
    path: InnerPath,
    /// The program's SHA-256, in hexadecimal.
    #[schemars(with = "String", regex(pattern = r"^[0-9A-Fa-f]{64}$"))]
    sha256: Sha256,
}

/// How what is started is made from sources.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Build {
    /// The program that makes it, and its arguments. It runs in the plugin's directory.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// The files and directories that it is made from. All there are, unless said.
    #[serde(default)]
    pub watch: Vec<InnerPath>,
}

/// The JSON Schema of `plugline.toml`, for editors.
#[must_use]
pub fn schema() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<File>().to_value();
    schema["oneOf"] = json!([{ "required": ["command"] }, { "required": ["artifact"] }]);
    schema
}

/// Where a text has that byte.
fn place(text: &str, at: usize) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

pub(super) fn parse(text: &str, file: &Path) -> Result<Package, PackageError> {
    let error = |at: Option<usize>, fault| PackageError {
        file: file.to_owned(),
        place: at.map(|at| place(text, at)),
        fault,
    };
    let read: File = toml::from_str(text).map_err(|fault| {
        error(fault.span().map(|span| span.start), PackageFault::Malformed(fault.message().to_owned()))
    })?;
    let wrong = |at: usize, what: String| Err(error(Some(at), PackageFault::Contradictory(what)));

    let version = match Version::parse(read.version.get_ref()) {
        Ok(version) => version,
        Err(fault) => {
            let what =
                format!("{:?} is no version: {fault}; a version is like 1.2.3", read.version.get_ref());
            return wrong(read.version.span().start, what);
        }
    };
    if let Some(build) = &read.build
        && build.get_ref().command.iter().all(String::is_empty)
    {
        return wrong(build.span().start, "the command of [build] names no program".into());
    }
    let run = match (read.command, read.artifacts) {
        (None, artifacts) if artifacts.is_empty() => {
            let what = "what is started? Either `command = [\"…\"]` or [[artifact]] tables are needed";
            return Err(error(None, PackageFault::Contradictory(what.into())));
        }
        (Some(command), artifacts) => {
            let at = command.span().start;
            if !artifacts.is_empty() {
                return wrong(at, "there are both `command` and [[artifact]]; one of them is started".into());
            }
            let words = command.into_inner();
            match words.first().map(String::as_str) {
                None | Some("") => return wrong(at, "`command` names no program".into()),
                Some(word) if word.contains('/') => {
                    if let Err(why) = InnerPath::new(word) {
                        let what =
                            "; a program of the machine is named without a slash and looked up on PATH";
                        return wrong(at, why + what);
                    }
                }
                Some(_) => {}
            }
            if words.iter().any(|word| word.contains('\0')) {
                return wrong(at, "a word of `command` has a NUL".into());
            }
            Run::Command(words)
        }
        (None, artifacts) => {
            let mut seen = HashMap::new();
            let mut found = Vec::new();
            for table in artifacts {
                let at = table.span().start;
                let ArtifactTable { os, arch, path, sha256 } = table.into_inner();
                let platform = Platform { os, arch };
                if let Some(first) = seen.insert(platform, at) {
                    let line = place(text, first).line;
                    return wrong(
                        at,
                        format!("a second artifact for {platform}; the first is in line {line}"),
                    );
                }
                found.push(Artifact { platform, path, sha256 });
            }
            Run::Artifacts(found)
        }
    };
    Ok(Package {
        name: read.name.into_inner(),
        version,
        manifest: read.manifest,
        run,
        build: read.build.map(Spanned::into_inner),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str) -> Result<Package, String> {
        Package::parse(text, Path::new("p/plugline.toml")).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_command() {
        let package = read(
            "name = 'users'\nversion = '1.2.3-rc.1'\nmanifest = 'users.json'\ncommand = ['python3', 'users.py']\n\
             [build]\ncommand = ['make']\nwatch = ['src']\n",
        )
        .unwrap();
        assert_eq!(package.name.as_str(), "users");
        assert_eq!(package.version.to_string(), "1.2.3-rc.1");
        assert_eq!(package.run, Run::Command(vec!["python3".into(), "users.py".into()]));
        let build = package.build.unwrap();
        assert_eq!(
            (build.command, build.watch),
            (vec!["make".to_owned()], vec![InnerPath::new("src").unwrap()])
        );
    }

    #[test]
    fn artifacts() {
        let table = |os| {
            format!("[[artifact]]\nos = '{os}'\narch = 'x86_64'\npath = 'bin/{os}'\nsha256 = '{HASH}'\n")
        };
        let text = format!("name = 'users'\nversion = '1.0.0'\n{}{}", table("linux"), table("macos"));
        let package = read(&text).unwrap();
        let mac = Platform { os: Os::Macos, arch: Arch::X86_64 };
        assert_eq!(package.program(mac).unwrap().inner().unwrap().as_str(), "bin/macos");
        let arm = Platform { os: Os::Linux, arch: Arch::Aarch64 };
        assert_eq!(
            package.program(arm).unwrap_err().to_string(),
            "there is no artifact for linux aarch64, only for linux x86_64, macos x86_64"
        );
        let twice = read(&(text + &table("linux"))).unwrap_err();
        assert_eq!(twice, "p/plugline.toml:13:1: a second artifact for linux x86_64; the first is in line 3");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let head = "name = 'users'\nversion = '1.0.0'\n";
        let rows = [
            ("name = ", "p/plugline.toml:1:8:"),
            ("version = '1.0.0'\ncommand = ['a']", "missing field `name`"),
            (
                "name = 'Users'\nversion = '1.0.0'\ncommand = ['a']",
                "p/plugline.toml:1:8: \"Users\" is no name",
            ),
            (
                "name = 'users'\nversion = '1.0'\ncommand = ['a']",
                "p/plugline.toml:2:11: \"1.0\" is no version",
            ),
            (
                &format!("{head}comand = ['a']"),
                "p/plugline.toml:3:1: unknown field `comand`, expected one of `name`, `version`, `manifest`, `command`, `artifact`, `build`",
            ),
            (&format!("{head}command = 'a'"), "p/plugline.toml:3:11: invalid type: string"),
            (&format!("{head}command = []"), "p/plugline.toml:3:11: `command` names no program"),
            (
                &format!("{head}command = ['/bin/sh']"),
                "begins at the root; a program of the machine is named without",
            ),
            (&format!("{head}command = ['../a']"), "it would leave the package"),
            (head, "what is started?"),
            (
                &format!(
                    "{head}command = ['a']\n[[artifact]]\nos = 'linux'\narch = 'x86_64'\npath = 'a'\nsha256 = '{HASH}'"
                ),
                "there are both `command` and [[artifact]]",
            ),
            (
                &format!("{head}[[artifact]]\nos = 'darwin'\narch = 'x86_64'\npath = 'a'\nsha256 = '{HASH}'"),
                "p/plugline.toml:4:6: unknown variant `darwin`, expected one of `linux`, `macos`",
            ),
            (
                &format!("{head}[[artifact]]\nos = 'linux'\narch = 'x86_64'\npath = 'a'\nsha256 = 'abc'"),
                "p/plugline.toml:7:10: \"abc\" is no SHA-256",
            ),
            (
                &format!("{head}manifest = '/etc/passwd'\ncommand = ['a']"),
                "p/plugline.toml:3:12: \"/etc/passwd\" is no path within",
            ),
            (
                &format!("{head}command = ['a']\n[build]\ncommand = []"),
                "the command of [build] names no program",
            ),
            ("name = \"a\u{1b}[2J\"\n", "p/plugline.toml:1:"),
        ];
        for (text, wanted) in rows {
            let said = read(text).unwrap_err();
            assert!(said.contains(wanted), "{text:?}: {said}");
            assert!(!said.chars().any(char::is_control), "{said:?}");
        }
    }
}
