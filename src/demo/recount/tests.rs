//! Planted losses, doubles and disorder: the recount has to find each.
