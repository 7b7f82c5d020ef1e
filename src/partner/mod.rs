//! Floor 4: partners, each kind a folder, known to the rest by one line in [`KINDS`].

pub mod wire;
