//! What a call wants to have for itself until its commit (see sql/locks.sql).

use serde::Serialize;

use crate::ids::{PartnerId, TenantId};

/// A wish; those of a group are joined.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Wish {
    /// (tenant, partner).
    partners: Vec<(String, String)>,
    /// Records, chains, keys, raw bytes, a client's consents.
    names: Vec<String>,
    /// (tenant, job, whether its client's consents matter): the job's partner.
    jobs: Vec<(String, String, bool)>,
    /// (tenant, message): the partners of what is or awaits it.
    messages: Vec<(String, String)>,
    /// (tenant, client): their consents, and the partners of what the gate holds of them.
    clients: Vec<(String, String)>,
}

impl Wish {
    pub(super) fn partner(mut self, tenant: &TenantId, partner: &PartnerId) -> Self {
        self.partners
            .push((tenant.as_str().to_owned(), partner.as_str().to_owned()));
        self
    }

    /// A name: what sort it is of, whose, and its parts.
    pub(super) fn name(mut self, sort: &str, tenant: &TenantId, parts: &[&str]) -> Self {
        self.names
            .push(format!("{sort}/{}/{}", tenant.as_str(), parts.join("/")));
        self
    }

    pub(super) fn job(mut self, tenant: &TenantId, job: &str, consents: bool) -> Self {
        self.jobs
            .push((tenant.as_str().to_owned(), job.to_owned(), consents));
        self
    }

    pub(super) fn message(mut self, tenant: &TenantId, message: &str) -> Self {
        self.messages
            .push((tenant.as_str().to_owned(), message.to_owned()));
        self
    }

    /// That nobody else's consents of the client come in between.
    pub(super) fn consents(self, tenant: &TenantId, client: &str) -> Self {
        self.name("consents", tenant, &[client])
    }

    pub(super) fn wakes(mut self, tenant: &TenantId, client: &str) -> Self {
        self.clients
            .push((tenant.as_str().to_owned(), client.to_owned()));
        self
    }

    /// Joins another's.
    pub(super) fn join(&mut self, other: &Wish) {
        self.partners.extend_from_slice(&other.partners);
        self.names.extend_from_slice(&other.names);
        self.jobs.extend_from_slice(&other.jobs);
        self.messages.extend_from_slice(&other.messages);
        self.clients.extend_from_slice(&other.clients);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.partners.is_empty()
            && self.names.is_empty()
            && self.jobs.is_empty()
            && self.messages.is_empty()
            && self.clients.is_empty()
    }
}
