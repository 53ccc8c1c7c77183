//! What a new plugin may be called, so that the name fits a package, a folder, a contract, a crate and a program.

/// A plugin's name.
#[derive(Debug, Clone)]
pub(super) struct Name(String);

const LONGEST: usize = 64;

/// Names that mean something else to the protocol, to Windows, or to Rust, whose crates may not be called so.
const TAKEN: &str = "rpc con prn aux nul test core std alloc build deps examples incremental \
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl \
    in let loop macro match mod move mut override priv proc-macro proc_macro pub ref return self static struct super \
    trait true try type typeof unsafe unsized use virtual where while yield \
    plugline-sdk plugline_sdk schemars serde serde-json serde_json";

impl Name {
    /// Reads a name; says what one may be.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let ends = text.bytes().next_back().is_some_and(plain);
        let within = text.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'_');
        if !(begins && ends && within && text.len() <= LONGEST) {
            let rule = "a-z, 0-9, - and _, the first a letter, the last a letter or a digit";
            return Err(format!("a name is up to {LONGEST} of {rule}, such as my-plugin"));
        }
        let device = |prefix| text.strip_prefix(prefix).is_some_and(|rest| rest.len() == 1 && rest != "0");
        if TAKEN.split(' ').any(|taken| taken == text) || device("com") || device("lpt") {
            return Err("that name means something else to the protocol, a system or a language".into());
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its contract, which has no `-`.
    pub(super) fn contract(&self) -> String {
        self.0.replace('-', "_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_all_that_it_names() {
        for good in ["a", "my-plugin", "my_plugin", "a1", "rpc-tools", "com10", &"a".repeat(64)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-a",
            "a-",
            "a_",
            "1a",
            "A",
            "ä",
            "a b",
            "a/b",
            "..",
            ".",
            "a.b",
            "rpc",
            "con",
            "com1",
            "fn",
            "test",
            &"a".repeat(65),
        ] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
        assert_eq!(Name::new("my-plug-in").unwrap().contract(), "my_plug_in");
    }
}
