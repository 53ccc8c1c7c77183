//! Settings from the environment: `PLUGLINE_PLUGINS__USERS__CONFIG__PATH=…` says what `plugins.users.config.path` is,
//! whatever the file says. Pure: variables in, a document out.
//!
//! A value is text. It is read as JSON where what it takes the place of is no text, where the setting bears no text,
//! and where it begins with `:=`, as on the command line.

use serde_json::{Map, Value};

use super::file::Settings;

/// What the names of such variables begin with, and the member of the file that they mean.
const PREFIXES: [(&str, &str); 2] = [("PLUGLINE_PLUGINS__", "plugins"), ("PLUGLINE_DEFAULTS__", "defaults")];
const SEPARATOR: &str = "__";
/// What stands before a value that is JSON.
const JSON: &str = ":=";

/// A variable that cannot be taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) variable: String,
    pub(crate) why: String,
}

/// Applies variables to a document, which has to be right after each of them.
pub(crate) fn apply(
    mut document: Value,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Value, Refused> {
    let mut variables: Vec<(String, String)> = variables.into_iter().collect();
    // In an order that does not change: of two, the whole comes before its part.
    variables.sort();
    for (variable, text) in variables {
        let Some((member, path)) =
            PREFIXES.iter().find_map(|(prefix, member)| Some((*member, variable.strip_prefix(prefix)?)))
        else {
            continue;
        };
        let path: Vec<&str> = path.split(SEPARATOR).collect();
        document = one(&document, member, &path, &text).map_err(|why| Refused { variable, why })?;
    }
    Ok(document)
}

fn one(document: &Value, member: &str, path: &[&str], text: &str) -> Result<Value, String> {
    let least = if member == "plugins" { 2 } else { 1 };
    if path.len() < least || path.iter().any(|part| part.is_empty()) {
        return Err("its name has to be PLUGLINE_PLUGINS__NAME__SETTING".into());
    }
    let with = |value: Value| -> Result<Value, String> {
        let mut changed = document.clone();
        *place(&mut changed, member, path)? = value;
        Ok(changed)
    };
    if let Some(json) = text.strip_prefix(JSON) {
        let value =
            serde_json::from_str(json).map_err(|fault| format!("after {JSON} stands no JSON: {fault}"))?;
        let changed = with(value)?;
        return Settings::of(&changed).map(|_| changed).map_err(|fault| fault.to_string());
    }
    let mut probe = document.clone();
    let before = place(&mut probe, member, path)?.clone();
    let json = serde_json::from_str::<Value>(text).ok();
    if !matches!(before, Value::Null | Value::String(_)) {
        let value = json.ok_or("it takes the place of what is no text, and is no JSON")?;
        let changed = with(value)?;
        return Settings::of(&changed).map(|_| changed).map_err(|fault| fault.to_string());
    }
    let as_text = with(Value::from(text))?;
    let fault = match Settings::of(&as_text) {
        Ok(_) => return Ok(as_text),
        Err(fault) => fault,
    };
    // A number, a switch: what the setting bears decides.
    let as_json = json.map(with).transpose()?;
    match as_json.filter(|changed| Settings::of(changed).is_ok()) {
        Some(changed) => Ok(changed),
        None => Err(fault.to_string()),
    }
}

/// The place in a document that a variable means, which is made where it is not there.
fn place<'a>(document: &'a mut Value, member: &str, path: &[&str]) -> Result<&'a mut Value, String> {
    let mut at = object(document, member)?.entry(member).or_insert_with(|| Value::Object(Map::new()));
    for (depth, part) in path.iter().enumerate() {
        let members = object(at, part)?;
        let mut names = members.keys().filter(|name| folded(name) == folded(part));
        let name = match (names.next(), names.next()) {
            (Some(one), Some(other)) => return Err(format!("both {one} and {other} are so called")),
            (Some(name), None) => name.clone(),
            // Names of plugins have dashes, members underscores.
            (None, _) if depth == 0 && member == "plugins" => part.to_lowercase().replace('_', "-"),
            (None, _) => part.to_lowercase(),
        };
        let last = depth + 1 == path.len();
        let fresh = || if last { Value::Null } else { Value::Object(Map::new()) };
        at = members.entry(name).or_insert_with(fresh);
    }
    Ok(at)
}

fn object<'a>(value: &'a mut Value, part: &str) -> Result<&'a mut Map<String, Value>, String> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(format!("there is nothing within which {part} could be")),
    }
}

/// As the name of a variable has it.
fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({"plugins": {"users-json": {"driver": "users", "config": {"path": "a", "port": 1, "deep": {"x": [1]}}}}})
    }

    #[track_caller]
    fn applied(variables: &[(&str, &str)]) -> Result<Value, String> {
        let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        apply(document(), variables)
            .map(|document| document["plugins"].clone())
            .map_err(|refused| format!("{}: {}", refused.variable, refused.why))
    }

    #[test]
    fn variables_say_what_settings_are() {
        let plugins = applied(&[
            ("PLUGLINE_PLUGINS__USERS_JSON__CONFIG__PATH", "12"),
            ("PLUGLINE_PLUGINS__USERS_JSON__CONFIG__PORT", "8080"),
            ("PLUGLINE_PLUGINS__USERS_JSON__CONFIG__DEEP__X", "[2]"),
            ("PLUGLINE_PLUGINS__USERS_JSON__CONFIG__NEW", "7"),
            ("PLUGLINE_PLUGINS__USERS_JSON__CONFIG__NUMBER", ":=7"),
            ("PLUGLINE_PLUGINS__USERS_JSON__POOL", "4"),
            ("PLUGLINE_PLUGINS__USERS_JSON__VERSION", "1"),
            ("PLUGLINE_PLUGINS__USERS_JSON__TIMEOUTS__CALL", "5s"),
            ("PLUGLINE_PLUGINS__MORE_USERS__DRIVER", "./users"),
            ("PLUGLINE_PATH", "/plugins"),
        ]);
        let users = json!({"driver": "users", "pool": 4, "version": "1", "timeouts": {"call": "5s"},
            "config": {"path": "12", "port": 8080, "deep": {"x": [2]}, "new": "7", "number": 7}});
        assert_eq!(plugins.unwrap(), json!({"users-json": users, "more-users": {"driver": "./users"}}));
    }

    #[test]
    fn what_cannot_be_taken_names_its_variable() {
        for (variable, text, part) in [
            ("PLUGLINE_PLUGINS__USERS_JSON", "x", "PLUGLINE_PLUGINS__NAME__SETTING"),
            ("PLUGLINE_PLUGINS__USERS_JSON____X", "x", "PLUGLINE_PLUGINS__NAME__SETTING"),
            ("PLUGLINE_PLUGINS__USERS_JSON__POOL", "many", "pool"),
            ("PLUGLINE_PLUGINS__USERS_JSON__NOPE", "x", "nope"),
            ("PLUGLINE_PLUGINS__USERS_JSON__CONFIG__PORT", "high", "no JSON"),
            ("PLUGLINE_PLUGINS__USERS_JSON__CONFIG__PATH", ":={", "no JSON"),
            ("PLUGLINE_PLUGINS__USERS_JSON__DRIVER__X", "x", "nothing within which"),
        ] {
            let fault = applied(&[(variable, text)]).expect_err(variable);
            assert!(fault.starts_with(&format!("{variable}: ")) && fault.contains(part), "{fault}");
        }
    }
}
