//! Calls the rich contract, served in whatever language: `catalog-host COMMAND…`.
#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugline_contract_tests::catalog::{
    Amount, Audit, AuditContract, AuditError, BigValue, Catalog, CatalogClient, CatalogError, DateTime,
    Digits, Entry, EntryId, Event, Everything, FailHow, Measured, Moment, NotFoundError, Person, Shape,
    ShapeCircle, Status, Summary, Tag, Tree, Words,
};
use plugline_host::Plugin;
use plugline_sdk::{Big, Bytes, CallFailed, Context, Items, Kind};
use serde_json::json;

#[derive(Default, Clone)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Audit for Told {
    fn ask(&self, _: &Context, question: &str) -> Result<String, AuditError> {
        if question == "nobody knows" {
            return Err(AuditError::Unknown("not even me".to_owned()));
        }
        Ok(format!("{question}? Because."))
    }

    fn told(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }
}

fn everything() -> Everything {
    let person = |name: &str| Person { name: name.to_owned(), mail: None, manager: None };
    let entry = Entry {
        id: EntryId("a-1".to_owned()),
        title: "Ünïcode \u{2028} \u{1f600}".to_owned(),
        size: (1 << 53) - 1,
        ratio: 0.5,
        status: Status::N2ndEdition,
        owner: None,
        tags: vec![Tag("x".to_owned())],
        labels: [("k".to_owned(), "v".to_owned())].into(),
        history: vec![
            Event::Created { by: person("Ada"), at: None },
            Event::Moved { from: vec!["a".to_owned()], to: "b".to_owned() },
            Event::Deleted { reason: None },
        ],
        created: DateTime("2024-02-29T23:59:59.123456Z".to_owned()),
        content: Bytes(vec![0, 1, 2, 255]),
        serial: Big(u64::MAX),
        balance: Some(Big(i128::MIN)),
        note: None,
        comment: None,
        children: None,
        parent: None,
        place: None,
        span: Some((1, "a".to_owned())),
        anything: Some(json!({"deep": [1, null]})),
    };
    Everything {
        entry,
        shape: Shape::Group(vec![
            Shape::Point,
            Shape::Circle(ShapeCircle { radius: 1.0 }),
            Shape::Polygon(vec![]),
        ]),
        amounts: vec![
            Amount::Integer(1),
            Amount::Text("two".to_owned()),
            Amount::Measured(Measured { value: 3.0, unit: "m".to_owned() }),
            Amount::List(vec![4]),
        ],
        tree: Tree([("a".to_owned(), Tree(Default::default()))].into()),
        big: BigValue(Digits("-123456789012345678901234567890123456789".to_owned())),
        moment: Moment(DateTime("2024-01-01T00:00:00+02:00".to_owned())),
        words: Some(Words {
            r#type: "t".to_owned(),
            class: "c".to_owned(),
            self_: Some("s".to_owned()),
            ..serde_json::from_value(json!({"type": "", "class": ""})).unwrap()
        }),
        maybe: Some(vec![None, Some(Event::Deleted { reason: Some("r".to_owned()) })]),
        statuses: Some([("a".to_owned(), Status::InReview)].into()),
        small: Some(255),
        ..serde_json::from_value(json!({
            "entry": {"id": "a", "title": "t", "size": 0, "ratio": 0.0, "status": "draft", "owner": null, "tags": [], "labels": {},
                      "history": [], "created": "2024-01-01T00:00:00Z", "content": "", "serial": "0"},
            "shape": "Point", "amounts": [], "tree": {}, "big": "0", "moment": "2024-01-01T00:00:00Z"
        }))
        .unwrap()
    }
}

fn main() {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let start = || Plugin::command(&command[0]).args(&command[1..]);
    let missing = Plugin::command("/nowhere/at-all").start().unwrap_err();
    assert_eq!(missing.kind(), Kind::SpawnFailed);
    let declined = start().config(json!({"refuse": "no GPU here"})).start().unwrap_err();
    assert_eq!(declined.kind(), Kind::Declined, "{declined}");
    let misconfigured = start().config(json!({"greeting": 7})).start().unwrap_err();
    assert_eq!(misconfigured.kind(), Kind::InvalidConfig, "{misconfigured}");

    let told = Told::default();
    let plugin = start().serve_callbacks(AuditContract, told.clone()).start().unwrap();
    let catalog = plugin.client::<CatalogClient>().unwrap();
    let here = &Context::new();

    assert_eq!(catalog.echo(here, &everything()).unwrap(), everything());

    assert!(matches!(catalog.fail(here, FailHow::NotFound), Err(CatalogError::NotFound)));
    match catalog.fail(here, FailHow::Conflict) {
        Err(CatalogError::Conflict(data)) => {
            assert_eq!((data.revision, data.by.unwrap().name), (7, "Ada".to_owned()))
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(catalog.fail(here, FailHow::Busy), Err(CatalogError::BusyNow(3))));
    match catalog.fail(here, FailHow::Panic) {
        Err(CatalogError::Call(failed)) => assert_eq!(failed.code(), Some(-32603)),
        other => panic!("{other:?}"),
    }
    let found = catalog.find(here, &EntryId("abc".to_owned()), Some(5), None).unwrap();
    assert_eq!(found, ["abc", "limit=5", "after=absent"]);
    assert!(matches!(
        catalog.find(here, &EntryId("nobody".to_owned()), None, None),
        Err(NotFoundError::NotFound)
    ));

    let sum: Result<i64, CallFailed> = catalog.count(here, 20_000).unwrap().sum();
    assert_eq!(sum.unwrap(), 20_000 * 19_999 / 2);
    assert_eq!(
        catalog.count(here, 1_000_000).unwrap().map(Result::unwrap).find(|number| *number == 3),
        Some(3)
    );
    assert_eq!(catalog.sum(here, Items::all(0..20_000)).unwrap(), 20_000 * 19_999 / 2);
    let mut converted = catalog.convert(here, 3, Items::all(0..20_000)).unwrap();
    for (number, item) in converted.by_ref().enumerate() {
        assert_eq!(item.unwrap(), 3 * i64::try_from(number).unwrap());
    }
    assert_eq!(converted.finish().unwrap(), Summary { count: 20_000 });
    let sizes = [0, 3, 100_000, 100_000, 100_000, 100_000, 100_000];
    let blobs: Vec<i64> = catalog
        .blobs(here, &sizes)
        .unwrap()
        .map(|blob| i64::try_from(blob.unwrap().0.len()).unwrap())
        .collect();
    assert_eq!(blobs, sizes);

    // Cancelled once it is known to be running.
    let cancelled = Arc::new(Mutex::new(None::<Context>));
    let seen = Arc::clone(&cancelled);
    let context = Context::new().on_progress(move |_| {
        if let Some(context) = seen.lock().unwrap().as_ref() {
            context.cancel(Some("enough"));
        }
    });
    *cancelled.lock().unwrap() = Some(context.clone());
    assert_eq!(catalog.wait(&context, 600_000).unwrap_err().kind(), Kind::Cancelled);
    let brief = Context::new().timeout(Duration::from_millis(50));
    assert_eq!(catalog.wait(&brief, 600_000).unwrap_err().kind(), Kind::Timeout);
    assert!(catalog.wait(here, 1).unwrap());

    catalog.note("first");
    catalog.note("second");
    assert_eq!(catalog.notes(here).unwrap(), ["first", "second"]);
    assert_eq!(catalog.relay(here, "why").unwrap(), "why? Because.");
    assert_eq!(*told.0.lock().unwrap(), ["asking why"]);
    assert_eq!(catalog.relay(here, "nobody knows").unwrap_err().code.code(), 7);
    catalog.print(here, "printed by a plugin").unwrap();
    assert_eq!(catalog.r#type(here, "a", Some(3), Some("b"), Some(true)).unwrap(), "a 3 b true");
    plugin.stop();
    println!("ok");
}
