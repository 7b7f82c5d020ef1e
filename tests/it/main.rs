//! The integration tests: one binary.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on must stop, and its tools with it"
)]

mod commands;
mod doors;
mod fhirpath;
mod fixtures;
mod floors;
mod operate;
mod source;
mod support;
