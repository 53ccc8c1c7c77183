//! Values of the rich contract's types: from Rust to a plugin in another language, through its own types, and back, where
//! they are equal. The same values go back and forth for the same seed; `PROPTEST_CASES` says how many.

use std::collections::BTreeMap;
use std::process::Command;

use plugline_contract_tests::catalog::{
    Alias, Amount, BigValue, Blob, Catalog, CatalogClient, Corner, DateTime, Digits, Entry, EntryId,
    EntryPlace, EntryPlaceLevel, ErrorValue, Event, Everything, Extended, Hostile, HostileMember, Loose,
    Measured, Moment, Open, OptionValue, Person, Shape, ShapeCircle, Status, Tag, Tree, Unnameable, Words,
};
use plugline_host::Plugin;
use plugline_sdk::{Big, Bytes, Context};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::workshop::{Go, Python, TypeScript, built, run};

const SAFE: i64 = (1 << 53) - 1;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just(String::new()),
        Just("\u{2028}\u{2029}\u{7f}\u{feff}\u{1f600}\"\\/\0".to_owned())
    ]
}

fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![-SAFE..=SAFE, -3_i64..=3, Just(SAFE), Just(-SAFE)]
}

fn number() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON has finite numbers alone", |number| number.is_finite())
}

/// As every language writes it: six digits of a second or none, `Z` where the offset is none.
fn time() -> impl Strategy<Value = DateTime> {
    let date = (1970..3000_i32, 1..=12_u8, 1..=28_u8);
    let clock = (0..24_u8, 0..60_u8, 0..60_u8, option::of((0..99_999_u32, 1..=9_u32)));
    let offset = option::of((any::<bool>(), 0..14_u8, 1..60_u8));
    (date, clock, offset).prop_map(|((year, month, day), (hour, minute, second, fraction), offset)| {
        let fraction = fraction.map(|(most, last)| format!(".{most:05}{last}")).unwrap_or_default();
        let zone = offset.map_or_else(
            || "Z".to_owned(),
            |(east, hours, minutes)| format!("{}{hours:02}:{minutes:02}", if east { '+' } else { '-' }),
        );
        DateTime(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
    })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes)
}

fn big() -> impl Strategy<Value = BigValue> {
    prop_oneof![any::<i128>().prop_map(|number| number.to_string()), "-?[1-9][0-9]{0,60}"]
        .prop_map(|digits| BigValue(Digits(digits)))
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        integer().prop_map(Value::from),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(prop_oneof![Just(Value::Null), inner.clone()], 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

fn person() -> impl Strategy<Value = Person> {
    let alone = (text(), option::of(text())).prop_map(|(name, mail)| Person { name, mail, manager: None });
    alone.prop_recursive(3, 3, 1, |above| {
        (text(), above).prop_map(|(name, manager)| Person {
            name,
            mail: None,
            manager: Some(Box::new(manager)),
        })
    })
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Draft),
        Just(Status::InReview),
        Just(Status::Published),
        Just(Status::N2ndEdition)
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (person(), option::of(time())).prop_map(|(by, at)| Event::Created { by, at }),
        (vec(text(), 0..3), text()).prop_map(|(from, to)| Event::Moved { from, to }),
        option::of(text()).prop_map(|reason| Event::Deleted { reason }),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let corner = (number(), number()).prop_map(Corner);
    let leaf = prop_oneof![
        Just(Shape::Point),
        Just(Shape::Nothing),
        number().prop_map(|radius| Shape::Circle(ShapeCircle { radius })),
        vec(corner, 0..3).prop_map(Shape::Polygon),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| vec(inner, 0..3).prop_map(Shape::Group))
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        integer().prop_map(Amount::Integer),
        text().prop_map(Amount::Text),
        (number(), text()).prop_map(|(value, unit)| Amount::Measured(Measured { value, unit })),
        vec(integer(), 0..3).prop_map(Amount::List),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = Just(Tree(BTreeMap::new()));
    leaf.prop_recursive(4, 16, 3, |inner| btree_map(text(), inner, 0..3).prop_map(Tree))
}

fn place() -> impl Strategy<Value = EntryPlace> {
    let level = prop_oneof![Just(EntryPlaceLevel::Ground), Just(EntryPlaceLevel::Roof)];
    (number(), number(), option::of(level)).prop_map(|(x, y, level)| EntryPlace { x, y, level })
}

fn entry() -> impl Strategy<Value = Entry> {
    let needed = (
        "[a-z0-9-]{1,64}",
        "[^\\x00]{1,40}",
        0..=SAFE,
        number().prop_map(|number| number.clamp(-9e299, 1e300)),
        status(),
        option::of(person()),
        vec("\\PC{1,5}".prop_map(Tag), 0..4),
        btree_map(text(), text(), 0..4),
        vec(event(), 0..4),
        (time(), bytes(), any::<u64>()),
    );
    let optional = (
        option::of(text()),
        option::of(text()),
        option::of(place()),
        option::of((integer(), text())),
        option::of(anything()),
        option::of(any::<i128>()),
    );
    let alone = (needed, optional).prop_map(
        |(
            (id, title, size, ratio, status, owner, tags, labels, history, (created, content, serial)),
            (note, comment, place, span, anything, balance),
        )| Entry {
            id: EntryId(id),
            title,
            size,
            ratio,
            status,
            owner,
            tags,
            labels,
            history,
            created,
            content,
            serial: Big(serial),
            note,
            comment,
            place,
            span,
            anything,
            balance: balance.map(Big),
            children: None,
            parent: None,
        },
    );
    alone.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), option::of(vec(inner.clone(), 0..3)), option::of(inner))
            .prop_map(|(entry, children, parent)| Entry { children, parent: parent.map(Box::new), ..entry })
    })
}

fn words() -> impl Strategy<Value = Words> {
    let texts = vec(option::of(text()), 11);
    (text(), text(), texts, option::of(integer()), option::of(any::<bool>())).prop_map(
        |(r#type, class, texts, max_items, n3d)| {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().flatten();
            Words {
                r#type,
                class,
                max_items,
                n3d,
                value: next(),
                none: next(),
                type_: next(),
                proto: next(),
                r#async: next(),
                default: next(),
                r#fn: next(),
                self_: next(),
                type_2: next(),
                with_space: next(),
                n_code: next(),
            }
        },
    )
}

fn unnameable() -> impl Strategy<Value = Unnameable> {
    let text = || option::of(text());
    (text(), text(), text(), text()).prop_map(|(value, quoted, a_b, back_slash)| Unnameable {
        value,
        quoted,
        a_b,
        back_slash,
    })
}

fn everything() -> impl Strategy<Value = Everything> {
    let needed = (entry(), shape(), vec(amount(), 0..5), tree(), big(), time().prop_map(Moment));
    let hostile =
        option::of(prop_oneof![Just(HostileMember::Value), Just(HostileMember::N1), Just(HostileMember::AB)]);
    let loose = (integer(), btree_map("[a-j]{1,3}", integer(), 0..3));
    let first = (
        option::of(btree_map(text(), bytes().prop_map(Blob), 0..3)),
        option::of(vec(big(), 0..3)),
        option::of(words()),
        option::of(unnameable()),
        option::of(option::of(integer()).prop_map(|value| OptionValue { value })),
        option::of(option::of(integer()).prop_map(|value| ErrorValue { value })),
        option::of(hostile.prop_map(|member| Hostile { member })),
        option::of(integer().prop_map(|known| Open { known })),
    );
    let second = (
        option::of(loose.prop_map(|(known, others)| {
            let others = others.into_iter().map(|(name, value)| (name, Value::from(value)));
            Loose(others.chain([("known".to_owned(), Value::from(known))]).collect())
        })),
        option::of((any::<bool>(), number()).prop_map(|(extra, value)| Extended { extra, value })),
        option::of(person().prop_map(Alias)),
        option::of(btree_map(text(), status(), 0..3)),
        option::of(vec(option::of(event()), 0..3)),
        option::of(any::<bool>()),
        option::of(any::<u8>()),
    );
    (needed, first, second).prop_map(
        |(
            (entry, shape, amounts, tree, big, moment),
            (blobs, bigs, words, unnameable, option, error, hostile, open),
            (loose, extended, alias, statuses, maybe, flag, small),
        )| Everything {
            entry,
            shape,
            amounts,
            tree,
            big,
            moment,
            blobs,
            bigs,
            words,
            unnameable,
            option,
            error,
            hostile,
            open,
            loose,
            extended,
            alias,
            statuses,
            maybe,
            flag,
            small,
            nothing: None,
        },
    )
}

/// The other way round: values that Python makes, through a plugin and back.
fn comes_back_to_python(command: &[String]) {
    if let Some(made) = Python::get() {
        let host = made.command("round_trip");
        let mut round = Command::new(&host[0]);
        round.args(&host[1..]).args(command);
        if let Some(cases) = std::env::var_os("PROPTEST_CASES") {
            round.env("HYPOTHESIS_CASES", cases);
        }
        assert!(run(&mut round).ends_with("ok\n"), "{command:?}");
    }
}

fn comes_back(command: &[String]) {
    let plugin = Plugin::command(&command[0]).args(&command[1..]).start().unwrap();
    let catalog = plugin.client::<CatalogClient>().unwrap();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(128);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(
        config,
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    )
    .run(&everything(), |value| {
        let back =
            catalog.echo(&Context::new(), &value).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        prop_assert_eq!(back, value);
        Ok(())
    })
    .unwrap();
    plugin.stop();
}

#[test]
fn values_of_python_come_back_from_rust() {
    comes_back_to_python(&[built("plugline-contract-tests")]);
}

#[test]
fn values_of_python_come_back_from_typescript() {
    if let Some(made) = TypeScript::get() {
        comes_back_to_python(&made.command("plugin"));
    }
}

#[test]
fn values_of_python_come_back_from_go() {
    if let Some(made) = Go::get() {
        comes_back_to_python(&made.command("plugin"));
    }
}

#[test]
fn values_come_back_from_rust() {
    comes_back(&[built("plugline-contract-tests")]);
}

#[test]
fn values_come_back_from_python() {
    if let Some(made) = Python::get() {
        comes_back(&made.command("plugin"));
    }
}

#[test]
fn values_come_back_from_typescript() {
    if let Some(made) = TypeScript::get() {
        comes_back(&made.command("plugin"));
    }
}

#[test]
fn values_come_back_from_go() {
    if let Some(made) = Go::get() {
        comes_back(&made.command("plugin"));
    }
}
