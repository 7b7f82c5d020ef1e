//! Floor 3: the core. What is accepted, where it goes, what an attempt means, what happens next.
//!
//! The core decides; the edges (stores, partners) do and report. The deciding half (`job`, `verdict`,
//! `reason`, `retry`, `chain`, `route`) is pure: no `async`, no clock but a `now` argument. `ports`
//! holds the traits that the edges implement and the plain values that pass through them.
//!
//! ```text
//! waiting ──claim──▶ sending ──Accepted, Pending──▶ done
//!    ▲                  │ ├─Busy──▶ waiting        (a failure that says nothing about the message
//!    │                  │ ├─Refused──▶ parked       pauses the partner and uses up nothing)
//!    │                  │ └─Unsure, lease ran out──▶ asking ──found──▶ done
//!    └──not there, retry┴──────────────────────────────┘ └─cannot ask──▶ parked
//! waiting, parked ──cancelled by its chain or a person──▶ cancelled
//! waiting, parked ──a newer version took its place──▶ superseded
//! ```

pub mod accept;
pub mod answer;
pub mod attempt;
pub mod auditor;
pub mod chain;
pub mod context;
mod denials;
pub mod dispatch;
mod echo;
pub mod gate;
pub mod house;
pub mod inbound;
pub mod intake;
pub mod job;
pub mod judge;
mod news;
mod overtaken;
pub mod people;
pub mod ports;
pub mod prepare;
mod pressure;
pub mod reason;
pub mod relay;
mod relay_law;
mod relaying;
mod resources;
pub mod retry;
pub mod room;
mod told;
pub mod verdict;
mod whose;
pub mod worker;
