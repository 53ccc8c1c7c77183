//! The rich contract, served from memory.

use std::sync::Mutex;
use std::time::Duration;

use plugline_sdk::{CallFailed, Context, ContractError, Error, Items, Level};

use crate::catalog::{
    AuditClient, Blob, Catalog, CatalogError, ConflictData, EntryId, Everything, FailHow, NotFoundError,
    Person, Summary,
};

/// What a plugin keeps.
#[derive(Debug, Default)]
pub struct Memory {
    notes: Mutex<Vec<String>>,
}

impl Memory {
    fn notes(&self) -> Vec<String> {
        self.notes.lock().expect("nothing panics while it holds the notes").clone()
    }
}

impl Catalog for Memory {
    fn echo(&self, _: &Context, everything: &Everything) -> Result<Everything, CallFailed> {
        Ok(everything.clone())
    }

    fn fail(&self, _: &Context, how: FailHow) -> Result<(), CatalogError> {
        Err(match how {
            FailHow::NotFound => CatalogError::NotFound,
            FailHow::Conflict => {
                let by = Some(Person { name: "Ada".to_owned(), mail: None, manager: None });
                CatalogError::Conflict(ConflictData { revision: 7, by })
            }
            FailHow::Busy => CatalogError::BusyNow(3),
            FailHow::Panic => panic!("as it was told"),
        })
    }

    fn find(
        &self,
        _: &Context,
        id: &EntryId,
        limit: Option<i64>,
        after: Option<&EntryId>,
    ) -> Result<Vec<String>, NotFoundError> {
        if id.0 == "nobody" {
            return Err(NotFoundError::NotFound);
        }
        let limit = limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        let after = after.map_or_else(|| "absent".to_owned(), |after| after.0.clone());
        Ok(vec![id.0.clone(), format!("limit={limit}"), format!("after={after}")])
    }

    fn count(&self, _: &Context, n: i64) -> Result<Items<i64, CallFailed>, CallFailed> {
        Ok(Items::new((0..n).map(Ok)))
    }

    fn sum(&self, _: &Context, input: Items<i64, CallFailed>) -> Result<i64, CallFailed> {
        input.sum()
    }

    fn convert(
        &self,
        _: &Context,
        factor: i64,
        input: Items<i64, CallFailed>,
    ) -> Result<Items<i64, CallFailed, Summary>, CallFailed> {
        let count = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
        let counted = std::sync::Arc::clone(&count);
        let items = input.map(move |number| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            number.map(|number| number * factor)
        });
        Ok(Items::new(items)
            .with_summary(move || Ok(Summary { count: count.load(std::sync::atomic::Ordering::Relaxed) })))
    }

    fn blobs(&self, _: &Context, sizes: &[i64]) -> Result<Items<Blob, CallFailed>, CallFailed> {
        let sizes = sizes.to_vec();
        Ok(Items::new(sizes.into_iter().map(|size| {
            let length = usize::try_from(size).expect("the contract lets no size below zero through");
            Ok(Blob(vec![u8::try_from(size % 256).expect("a remainder of 256"); length].into()))
        })))
    }

    fn wait(&self, context: &Context, ms: i64) -> Result<bool, CallFailed> {
        context.progress(0.0, Some(ms as f64), Some("begun"));
        let time =
            Duration::from_millis(u64::try_from(ms).expect("the contract lets no time below zero through"));
        context.sleep(time)?;
        context.log(Level::Info, "waited");
        Ok(true)
    }

    fn note(&self, text: &str) {
        self.notes.lock().expect("nothing panics while it holds the notes").push(text.to_owned());
    }

    fn notes(&self, _: &Context) -> Result<Vec<String>, CallFailed> {
        Ok(Self::notes(self))
    }

    fn relay(&self, context: &Context, question: &str) -> Result<String, Error> {
        use crate::catalog::Audit as _;
        let audit = context.client::<AuditClient>().map_err(ContractError::into_error)?;
        audit.told(&format!("asking {question}"));
        // What the host answers is relayed as it is.
        audit.ask(context, question).map_err(ContractError::into_error)
    }

    fn print(&self, _: &Context, text: &str) -> Result<(), CallFailed> {
        println!("{text}");
        Ok(())
    }

    fn r#type(
        &self,
        _: &Context,
        class: &str,
        max_items: Option<i64>,
        self_: Option<&str>,
        r#return: Option<bool>,
    ) -> Result<String, CallFailed> {
        let items = max_items.map_or_else(|| "-".to_owned(), |items| items.to_string());
        let returned = r#return.map_or_else(|| "-".to_owned(), |returned| returned.to_string());
        Ok(format!("{class} {items} {} {returned}", self_.unwrap_or("-")))
    }
}
