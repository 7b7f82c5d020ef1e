//! A laboratory that measures.

mod model;

pub use model::Laboratory;
