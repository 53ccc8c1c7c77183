#![allow(unused)]

use plugline_sdk::{CallFailed, ContractError};

#[derive(Debug, thiserror::Error, ContractError)]
enum NoGeneral {
    #[error("a")]
    #[code(1)]
    A,
}

#[derive(Debug, thiserror::Error, ContractError)]
enum Codes {
    #[error("a")]
    #[code(1)]
    A,
    #[error("b")]
    #[code(1)]
    SameCode,
    #[error("c")]
    #[code(-32000)]
    Reserved,
    #[error("d")]
    #[code("d")]
    NoInteger,
    #[error("e")]
    NoCode,
    #[error("f")]
    #[code(6)]
    TwoParts(u32, u32),
    #[error(transparent)]
    Call(#[from] CallFailed),
    #[error("g")]
    AnotherCall(CallFailed),
}

#[derive(Debug, thiserror::Error, ContractError)]
enum BeforeTheCall {
    #[error("a")]
    NoCode(String),
    #[error(transparent)]
    Call(#[from] CallFailed),
}

mod renamed {
    use plugline_sdk::{CallFailed as Failed, ContractError};

    #[derive(Debug, thiserror::Error, ContractError)]
    enum BeforeTheCall {
        #[error("a")]
        NoCode(String),
        #[error(transparent)]
        Call(#[from] Failed),
    }
}

#[derive(Debug, ContractError)]
struct NoEnum;

fn main() {}
