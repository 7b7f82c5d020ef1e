#![doc = include_str!("ARCHITECTURE.md")]

// Floor 0, ground: no I/O, no domain.
pub mod clock;
pub mod decimal;
pub mod fault;
pub mod ids;
pub mod issue;
pub mod json;
pub mod phi;

// Floor 1: the language of FHIR.
pub mod fhir;

// Floor 2: the clinic's records and their mapping.
pub mod record;

// Floor 3: the core.
pub mod consent;
pub mod sync;

// Floor 4: edges.
pub mod partner;
pub mod store;

// Floor 5: doors.
pub mod web;

// Floor 6: roof.
pub mod app;
pub mod cli;
pub mod config;
mod definitions;
pub mod demo;
pub mod telemetry;
