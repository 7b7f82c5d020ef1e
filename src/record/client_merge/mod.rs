//! Two clients are one person.

mod model;

pub use model::ClientMerge;
