//! The demonstration: a clinic and three simulated partners around a real gateway.

pub mod cast;
pub mod days;
pub mod sim;
