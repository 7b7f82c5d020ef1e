//! The demonstration: a clinic and three simulated partners around a real gateway.

pub mod cast;
pub mod clinic;
pub mod days;
pub mod gateway;
pub mod recount;
pub mod sim;
pub mod site;
