//! Floor 4: stores.
