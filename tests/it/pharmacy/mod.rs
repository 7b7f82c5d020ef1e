//! Prescriptions on a whole gateway, with a simulated strict pharmacy at the other end.

mod house;
mod road;
