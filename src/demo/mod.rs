//! The demonstration: a clinic and three simulated partners around a real gateway.
//!
//! The gateway is a child process of this same program; the clinic, an EHR, a pharmacy and a laboratory
//! live in this process, on loopback. A clinic's week is played while partners fail and, if asked for,
//! the gateway is killed; then everything is recounted from the partners' own books.

pub mod cast;
pub mod clinic;
pub mod days;
pub mod gateway;
pub mod look;
pub mod partners;
pub mod play;
pub mod recount;
pub mod report;
pub mod say;
pub mod sim;
pub mod site;
pub mod trouble;
