//! Reads of records, chains, resources, the crosswalk: the SQL. One question, one query, each by an index.

use super::rows::{chain_job_columns, raw_columns, version_columns};

pub(super) const IDEMPOTENT: &str = "SELECT hash, given_status, given_body FROM idempotency
   WHERE tenant = $1 AND caller = $2 AND key = $3";

pub(super) const RAW: &str = concat!(
    "SELECT ",
    raw_columns!(),
    " FROM raw WHERE tenant = $1 AND id = $2"
);

/// Bytes that nobody works on any more.
pub(super) const RAWS_LEFT: &str = "SELECT id FROM raw WHERE tenant = $1 AND state = 'received'
   AND state <> 'done' AND (received < $2 OR given_status IS NOT NULL) ORDER BY received LIMIT $3";

/// As many names as there are, in their order; where there is none, nothing but NULLs.
pub(super) const NEWEST: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS w (kind, id, place)
      LEFT JOIN LATERAL (SELECT * FROM version o WHERE o.tenant = $1 AND o.kind = w.kind
        AND o.id = w.id ORDER BY o.version DESC LIMIT 1) v ON true ORDER BY w.place"
);

pub(super) const VERSIONS: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM unnest($2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY AS w (kind, id, version, place)
      LEFT JOIN LATERAL (SELECT * FROM version o WHERE o.tenant = $1 AND o.kind = w.kind
        AND o.id = w.id AND o.version = w.version) v ON true ORDER BY w.place"
);

pub(super) const CONSENTS: &str = concat!(
    "SELECT DISTINCT ON (v.id) ",
    version_columns!(),
    " FROM version v WHERE v.tenant = $1 AND v.client = $2 AND v.kind = 'consent'
      ORDER BY v.id, v.version DESC"
);

pub(super) const RESOURCES: &str = "SELECT r.type, r.id, r.part, r.profiles, r.body FROM resource r
   WHERE r.tenant = $1 AND r.kind = $2 AND r.record = $3
     AND r.version = (SELECT max(n.version) FROM resource n
       WHERE n.tenant = r.tenant AND n.type = r.type AND n.id = r.id)
   ORDER BY r.type, r.id";

pub(super) const RESOURCE_VERSIONS: &str = "SELECT record_version, body FROM resource
   WHERE tenant = $1 AND type = $2 AND id = $3 ORDER BY version DESC LIMIT $4";

pub(super) const RESOURCE_OWNER: &str = "SELECT kind, record FROM resource
   WHERE tenant = $1 AND type = $2 AND id = $3 LIMIT 1";

pub(super) const CHAIN: &str = concat!(
    "SELECT ",
    chain_job_columns!(),
    " FROM any_job WHERE tenant = $1 AND chain = $2 ORDER BY seq"
);

pub(super) const REFERRED_TO: &str = "SELECT EXISTS (SELECT 1 FROM leans
   WHERE tenant = $1 AND kind = $2 AND id = $3 AND (by_kind <> $2 OR by_id <> $3))";

pub(super) const JOB_OF_MESSAGE: &str = concat!(
    "SELECT ",
    chain_job_columns!(),
    " FROM any_job WHERE tenant = $1 AND partner = $2 AND message = $3 LIMIT 1"
);

pub(super) const DENIALS: &str = "SELECT kind, record, version, partner, client, why FROM denial
   WHERE tenant = $1 AND client = $2 AND open ORDER BY n";

pub(super) const DENIED_CLIENTS: &str = "SELECT DISTINCT client FROM denial
   WHERE tenant = $1 AND client IS NOT NULL AND open ORDER BY client";

/// Rows of (type, our id), those that there are.
pub(super) const CROSSWALK: &str = "SELECT c.partner, c.type, c.our_id, c.their_id, c.their_version
   FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS w (type, our_id, place)
   CROSS JOIN LATERAL (SELECT * FROM crosswalk o WHERE o.tenant = $1 AND o.partner = $2
     AND o.type = w.type AND o.our_id = w.our_id) c ORDER BY w.place";

/// Our id of (type, their id). After a merge two of ours have one of theirs: the survivor's, which had it
/// first.
pub(super) const CROSSWALK_BACK: &str = "SELECT partner, type, our_id, their_id, their_version
   FROM crosswalk WHERE tenant = $1 AND partner = $2 AND type = $3 AND their_id = $4
   ORDER BY since LIMIT 1";

pub(super) const FEED_NEW: &str =
    "SELECT EXISTS (SELECT 1 FROM feed WHERE tenant = $1 AND position IS NULL)";

pub(super) const FEED: &str = concat!(
    "SELECT ",
    version_columns!(),
    ", f.position FROM feed f JOIN version v ON v.tenant = f.tenant AND v.kind = f.kind
        AND v.id = f.id AND v.version = f.version
      WHERE f.tenant = $1 AND f.position > $2 AND f.position IS NOT NULL
      ORDER BY f.position LIMIT $3"
);

/// Idempotency keys past their time, so many at most.
pub(super) const PRUNE: &str = "WITH gone AS (DELETE FROM idempotency
     WHERE (tenant, caller, key) IN (SELECT tenant, caller, key FROM idempotency
       WHERE made < $1 LIMIT $2) RETURNING 1)
   SELECT count(*) FROM gone";

/// When something of the whole database happened last.
pub(super) const MOMENT: &str = "SELECT at FROM moment WHERE tenant = '' AND what = $1";
