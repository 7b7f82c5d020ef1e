//! The configuration file, read and checked without touching the network.
