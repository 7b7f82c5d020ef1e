//! The integration tests: one binary.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on must stop, and its tools with it"
)]

mod clinic;
mod commands;
mod doors;
mod fixtures;
mod floors;
mod operate;
mod pharmacy;
mod source;
mod support;
