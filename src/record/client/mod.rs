//! A person in care.

mod model;

pub use model::Client;
