//! The integration tests: one binary.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on must stop, and its tools with it"
)]

mod anew;
mod checker;
mod clinic;
#[path = "../postgres/cluster.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the store's own tests use it, too"
)]
mod cluster;
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
mod middleman;
mod operate;
mod pace;
mod packages;
mod pharmacy;
mod postgres;
mod relay;
mod rules;
mod script;
mod simulation;
mod source;
mod support;
mod tenants;
mod transaction;
