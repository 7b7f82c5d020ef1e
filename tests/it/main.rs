//! The integration tests: one binary.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on must stop, and its tools with it"
)]

mod checker;
mod clinic;
mod commands;
mod consents;
mod corpus;
mod demo;
mod desk;
mod doors;
mod fhirpath;
mod fixtures;
mod floors;
mod inbound;
mod intake;
mod keeping;
mod middle;
mod operate;
mod pace;
mod packages;
mod pharmacy;
mod relay;
mod rules;
mod script;
mod simulation;
mod source;
mod support;
mod tenants;
