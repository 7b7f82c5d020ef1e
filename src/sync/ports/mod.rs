//! The seams: what the core asks of a store and of a partner. Plain values in batches, no closures,
//! no transaction leaks out; both traits are used as objects.

mod partner;
mod store;

pub use partner::*;
pub use store::*;
