//! A stay in the programme.

mod model;

pub use model::{Episode, Program};
