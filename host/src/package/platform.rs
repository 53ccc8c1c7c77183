//! Operating systems and architectures, by the names that Rust has for them.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

macro_rules! names {
    ($(#[$of:meta])* $type:ident: $($(#[$doc:meta])* $name:ident = $text:literal),+) => {
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$doc])* #[serde(rename = $text)] $name),+
        }

        impl $type {
            /// The name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            fn named(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)+ _ => None }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// An operating system.
    Os:
    /// Linux.
    Linux = "linux",
    /// macOS.
    Macos = "macos",
    /// Windows.
    Windows = "windows",
    /// FreeBSD.
    Freebsd = "freebsd",
    /// NetBSD.
    Netbsd = "netbsd",
    /// OpenBSD.
    Openbsd = "openbsd"
}

names! {
    /// An architecture.
    Arch:
    /// 64-bit x86, which some call amd64.
    X86_64 = "x86_64",
    /// 64-bit ARM, which some call arm64.
    Aarch64 = "aarch64",
    /// 32-bit x86.
    X86 = "x86",
    /// 32-bit ARM.
    Arm = "arm",
    /// 64-bit RISC-V.
    Riscv64 = "riscv64",
    /// 64-bit POWER.
    Powerpc64 = "powerpc64",
    /// IBM Z.
    S390x = "s390x",
    /// 64-bit LoongArch.
    Loongarch64 = "loongarch64"
}

/// What a program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// The operating system.
    pub os: Os,
    /// The architecture.
    pub arch: Arch,
}

impl Platform {
    /// This machine; nothing where packages have no name for it.
    #[must_use]
    pub fn here() -> Option<Self> {
        Some(Self { os: Os::named(std::env::consts::OS)?, arch: Arch::named(std::env::consts::ARCH)? })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.os, self.arch)
    }
}
