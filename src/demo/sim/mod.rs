//! Simulated partners, for the demo and for tests: real HTTP servers on loopback that keep what they get.
