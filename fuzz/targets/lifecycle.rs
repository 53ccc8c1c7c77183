//! Sequences of `rpc.*` messages, through the table of phases and the types of the messages. What is taken when is what
//! section 4 of `SPEC.md` says; a handshake that is taken keeps its minima, and says the same when it is written again.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use plugline_fuzz::json::Json;
use plugline_protocol::lifecycle::messages::{
    Cancel, Credit, InputEnd, Items, Log, Ping, Progress, Shutdown,
};
use plugline_protocol::lifecycle::{InitializeParams, InitializeResult, Phase, VERSIONS, methods};
use plugline_protocol::wire::Params;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

const METHODS: &[&str] = &[
    methods::INITIALIZE,
    methods::DISCOVER,
    methods::PING,
    methods::SHUTDOWN,
    methods::CANCEL,
    methods::PROGRESS,
    methods::LOG,
    methods::OUTPUT,
    methods::INPUT,
    methods::INPUT_END,
    methods::OUTPUT_CREDIT,
    methods::INPUT_CREDIT,
    "rpc.unknown",
    "users.get_user",
    "",
];

fuzz_target!(|bytes: &[u8]| {
    let mut u = Unstructured::new(bytes);
    let _out_of_choices = sequence(&mut u);
});

fn sequence(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let mut phase = Phase::New;
    while !u.is_empty() {
        let method = *u.choose(METHODS)?;
        let params = params(method, u)?;
        let admitted = phase.admit(method);
        let code = admitted.as_ref().err().map_or(0, |error| error.code.code());
        assert_eq!(code, wanted(phase, method), "{method} in {phase:?}");
        let raw: &RawValue = serde_json::from_str(&params).expect("it was written as JSON");
        let valid = read(method, &Params::from_raw(raw));
        if code == 0 {
            phase = match (method, phase) {
                // Answered at once, or later, or not in good order: another may be tried then.
                (methods::INITIALIZE, Phase::New) if valid => {
                    *u.choose(&[Phase::Ready, Phase::Initializing, Phase::New])?
                }
                (methods::SHUTDOWN, _) => Phase::ShuttingDown,
                (_, Phase::Initializing) => *u.choose(&[Phase::Initializing, Phase::Ready, Phase::New])?,
                (_, phase) => phase,
            };
        }
        check_answer(&Json::object(u, ANSWER)?.0);
    }
    Ok(())
}

const ANSWER: &[(&str, &str)] =
    &[("protocolVersion", "1"), ("plugin", "{\"name\":\"n\",\"version\":\"1.0.0\"}"), ("provides", "[]")];

fn params(method: &str, u: &mut Unstructured<'_>) -> arbitrary::Result<String> {
    let first: &[(&str, &str)] = match method {
        methods::INITIALIZE => &[("protocolVersions", "[1]")],
        methods::PROGRESS => &[("id", "1"), ("progress", "0.5")],
        methods::LOG => &[("level", "\"info\""), ("message", "\"m\"")],
        methods::OUTPUT | methods::INPUT => &[("id", "1"), ("items", "[1]")],
        methods::OUTPUT_CREDIT | methods::INPUT_CREDIT => &[("id", "1"), ("bytes", "100")],
        methods::CANCEL | methods::INPUT_END => &[("id", "1")],
        _ => &[],
    };
    if u.ratio(3_u8, 4_u8)? { Ok(Json::object(u, first)?.0) } else { Ok(Json::arbitrary(u)?.0) }
}

/// The checks of the specification, in their order.
fn wanted(phase: Phase, method: &str) -> i64 {
    let before =
        matches!(method, methods::INITIALIZE | methods::DISCOVER | methods::PING | methods::SHUTDOWN);
    match phase {
        Phase::ShuttingDown if method == methods::PING => 0,
        Phase::ShuttingDown => -32003,
        Phase::New | Phase::Initializing if !before => -32000,
        Phase::Initializing | Phase::Ready if method == methods::INITIALIZE => -32600,
        _ => 0,
    }
}

/// Whether the params are such as the method takes.
fn read(method: &str, params: &Params<'_>) -> bool {
    match method {
        methods::INITIALIZE => match InitializeParams::read(params) {
            Ok((read, version)) => {
                assert!(VERSIONS.contains(&version) && read.protocol_versions.contains(&i64::from(version)));
                assert_eq!(read.limits.below_minimum(), None);
                let text = serde_json::value::to_raw_value(&read).expect("it has a JSON form");
                assert_eq!(InitializeParams::read(&Params::from_raw(&text)), Ok((read, version)));
                true
            }
            Err(error) => {
                assert!([-32602, -32001].contains(&error.code.code()), "{error:?}");
                false
            }
        },
        methods::DISCOVER | methods::PING => comes_back::<Ping>(params),
        methods::SHUTDOWN => comes_back::<Shutdown>(params),
        methods::CANCEL => comes_back::<Cancel>(params),
        methods::PROGRESS => comes_back::<Progress>(params),
        methods::LOG => comes_back::<Log>(params),
        methods::OUTPUT | methods::INPUT => comes_back::<Items>(params),
        methods::INPUT_END => comes_back::<InputEnd>(params),
        methods::OUTPUT_CREDIT | methods::INPUT_CREDIT => comes_back::<Credit>(params),
        _ => true,
    }
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(params: &Params<'_>) -> bool {
    match params.decode_open::<T>() {
        Ok(read) => {
            let text = serde_json::value::to_raw_value(&read).expect("it has a JSON form");
            assert_eq!(Params::from_raw(&text).decode_open::<T>(), Ok(read));
            true
        }
        Err(error) => {
            assert_eq!(error.code.code(), -32602);
            false
        }
    }
}

fn check_answer(text: &str) {
    match InitializeResult::read(text) {
        Ok(read) => {
            assert!(VERSIONS.contains(&read.protocol_version));
            assert_eq!(read.limits.below_minimum(), None);
            assert!(read.capabilities.streams.is_none() || read.capabilities.cancel.is_some());
            let again = serde_json::to_string(&read).expect("it has a JSON form");
            assert_eq!(InitializeResult::read(&again), Ok(read));
        }
        Err(fault) => drop(fault.to_string()),
    }
}
