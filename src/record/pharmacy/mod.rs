//! A pharmacy that fills orders.

mod model;

pub use model::Pharmacy;
