//! A plugin of a contract that is a trait: `target/debug/examples/stock`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use plugline_sdk::{CallFailed, Context, ContractError, Items, Plugin, contract};
use serde_json::Value;

/// Keeps stock.
#[contract(name = "stock", version = "1.0.0")]
trait Stock: Send + Sync {
    /// How many there are of an article.
    #[idempotent]
    #[example(name = "nobody has that", params = json!({"article": "unicorn"}), error = 1)]
    fn count(&self, article: &str) -> Result<u32, StockError>;

    /// Takes some away, and says how many are left.
    fn take(&self, context: &Context, article: &str, count: u32) -> Result<u32, StockError>;

    /// All there is, article by article.
    fn list(&self) -> Result<Items<(String, u32), StockError>, StockError>;
}

/// Why stock cannot be had.
#[derive(Debug, thiserror::Error, ContractError)]
enum StockError {
    #[error("there is no such article")]
    #[code(1)]
    Unknown,
    #[error("there are not enough: only {left}")]
    #[code(2)]
    NotEnough { left: u32 },
    #[error(transparent)]
    Call(#[from] CallFailed),
}

struct Warehouse(Mutex<BTreeMap<String, u32>>);

impl Stock for Warehouse {
    fn count(&self, article: &str) -> Result<u32, StockError> {
        let stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stock.get(article).copied().ok_or(StockError::Unknown)
    }

    fn take(&self, context: &Context, article: &str, count: u32) -> Result<u32, StockError> {
        // Nobody is to lose what they no longer wait for.
        context.check()?;
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = stock.get_mut(article).ok_or(StockError::Unknown)?;
        *left = left.checked_sub(count).ok_or(StockError::NotEnough { left: *left })?;
        Ok(*left)
    }

    fn list(&self) -> Result<Items<(String, u32), StockError>, StockError> {
        let stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Items::all(stock.clone()))
    }
}

fn main() -> std::process::ExitCode {
    let open = |_: Value| {
        let stock = [("nail", 1200), ("hammer", 3)].map(|(article, count)| (article.to_owned(), count));
        Ok::<_, String>(Warehouse(Mutex::new(BTreeMap::from(stock))))
    };
    Plugin::configured("stock", "0.1.0", open).contract(StockContract).serve()
}
