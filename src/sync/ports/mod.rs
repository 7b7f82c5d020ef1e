//! The seams: what the core asks of a store and of a partner. Plain values in batches, no closures,
//! no transaction leaks out; both traits are used as objects.

mod admission;
mod desk;
mod keeping;
mod partner;
mod store;
mod stored;
mod views;
mod work;

pub use admission::*;
pub use desk::*;
pub use keeping::*;
pub use partner::*;
pub use store::*;
pub use stored::*;
pub use views::*;
pub use work::*;
