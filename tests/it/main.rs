//! The integration tests: one binary.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on must stop, and its tools with it"
)]

mod commands;
mod consents;
mod corpus;
mod doors;
mod fixtures;
mod floors;
mod inbound;
mod intake;
mod middle;
mod operate;
mod relay;
mod source;
mod support;
