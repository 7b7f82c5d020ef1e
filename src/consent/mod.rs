//! The gate: who may have what. Deny by default, one port, asked at acceptance and at each attempt.
