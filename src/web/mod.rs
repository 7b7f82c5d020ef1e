//! Floor 5: the doors. The only floor that knows axum and status codes.

mod access;

pub use access::{Right, Token, TokenHash};
