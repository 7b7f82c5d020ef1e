//! Invariant 4, as far as consent goes: nothing leaves of what nobody may have any more.

use rusqlite::OptionalExtension;

use super::Inner;

impl Inner {
    /// A job is about to send something: whether it may is asked after this.
    pub(super) fn gated(&mut self, id: &str, client: Option<&str>, guarded: bool) {
        let denied = client.is_some_and(|c| self.denied.contains(c));
        if denied && guarded {
            self.claimed_denied.insert(id.to_owned());
        } else {
            self.claimed_denied.remove(id);
        }
    }

    /// One of its effects is done, and it goes on with the next.
    pub(super) fn goes_on(&mut self, id: &str) {
        let found: Option<(Option<String>, bool)> = self
            .db
            .prepare_cached("SELECT client, guarded FROM job WHERE id = ?1")
            .and_then(|mut s| s.query_row([id], |r| Ok((r.get(0)?, r.get(1)?))).optional())
            .expect("a query");
        if let Some((client, guarded)) = found {
            self.gated(id, client.as_deref(), guarded);
        }
    }
}
