//! Prescriptions on a whole gateway, with a simulated strict pharmacy at the other end.

mod change;
mod command;
mod door;
pub(crate) mod house;
mod refused;
mod road;
mod unclear;
