//! Fetching by https: nothing else, also where one address leads to another.

use std::fs::File;
use std::io::{Read as _, Write as _};

use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Error as Fault};

use super::error::StoreError;
use super::limits::PackageLimits;
use super::source::Source;
use super::step::Step;

fn agent(limits: &PackageLimits) -> Agent {
    Agent::config_builder()
        .https_only(true)
        .max_redirects(limits.redirects)
        .max_redirects_will_error(true)
        .timeout_global(Some(limits.fetch_time))
        .timeout_resolve(Some(limits.silence))
        .timeout_connect(Some(limits.silence))
        .timeout_recv_response(Some(limits.silence))
        .timeout_per_read(Some(limits.silence))
        .user_agent(concat!("plugline/", env!("CARGO_PKG_VERSION")))
        // The certificates that this machine trusts, and not a list of our own.
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .build()
        .new_agent()
}

/// What a failure is called; what the library says may have an address with its secrets in it.
fn why(fault: &Fault) -> String {
    match fault {
        Fault::StatusCode(404) => "there is nothing there (404)".into(),
        Fault::StatusCode(code) => format!("the server answers with status {code}"),
        Fault::RequireHttpsOnly(_) => "it leads to an address without https".into(),
        Fault::TooManyRedirects => "it leads from address to address, beyond the limit redirects".into(),
        Fault::Timeout(_) => "it takes too long (the limits fetch_time and silence)".into(),
        Fault::HostNotFound => "there is no such host".into(),
        Fault::BadUri(_) => "it is no address".into(),
        fault => fault.to_string(),
    }
}

fn get(agent: &Agent, address: &str) -> Result<Body, Fault> {
    Ok(agent.get(address).call()?.into_body())
}

/// Fetches an archive into a file.
pub(super) fn archive(
    address: &str,
    to: &mut File,
    limits: &PackageLimits,
    watch: &mut dyn FnMut(Step<'_>),
) -> Result<(), StoreError> {
    let source = Source::Https(address.to_owned()).to_string();
    let failed = |why: String| StoreError::Fetch { source: source.clone(), why };
    let allowed = limits.archive_bytes;
    let too_long = || StoreError::Limit { limit: "archive_bytes", allowed, entry: source.clone() };
    let body = get(&agent(limits), address).map_err(|fault| failed(why(&fault)))?;
    let total = body.content_length();
    if total.is_some_and(|total| total > allowed) {
        return Err(too_long());
    }
    let mut from = body.into_with_config().limit(u64::MAX).reader();
    let mut done = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        watch(Step::Fetching { done, total });
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(fault) if fault.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(fault) => return Err(failed(why(&Fault::from(fault)))),
        };
        done += read as u64;
        if done > allowed {
            return Err(too_long());
        }
        to.write_all(&buffer[..read]).map_err(|fault| failed(fault.to_string()))?;
    }
    match total {
        Some(total) if total != done => Err(failed(format!("it ended after {done} of {total} bytes"))),
        _ => Ok(()),
    }
}

/// Fetches a short text; nothing where there is none.
pub(super) fn text(address: &str, bytes: u64, limits: &PackageLimits) -> Result<Option<String>, StoreError> {
    let source = Source::Https(address.to_owned()).to_string();
    let read = match get(&agent(limits), address) {
        Err(Fault::StatusCode(404)) => return Ok(None),
        Err(fault) => Err(fault),
        Ok(body) => body.into_with_config().limit(bytes).read_to_string(),
    };
    read.map(Some).map_err(|fault| StoreError::Fetch { source, why: why(&fault) })
}
