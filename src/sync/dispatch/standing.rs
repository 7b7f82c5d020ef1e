//! How a record stands, seen from a partner of some style. Pure readings.

use crate::record::{Kind, Record, medication_request};
use crate::sync::chain::Standing;
use crate::sync::job::{ChainJob, Purpose, Reach, State, VersionRef};
use crate::sync::ports::Style;

pub(super) fn there(job: &ChainJob) -> bool {
    job.reach != Reach::Not || job.unsure || matches!(job.state, State::Sending | State::Asking)
}

/// A drug without a known code whose text names a controlled ingredient (contracts section 8).
pub(super) fn suspected(record: &Record) -> bool {
    matches!(record, Record::MedicationRequest(order) if order.suspicion().is_some())
}

/// How a record stands, for this style of partner. A pharmacy knows no hold: an order on hold is taken
/// back there, and prescribed anew when it goes on.
pub(super) fn standing(record: &Record, style: Style) -> Standing {
    use medication_request::Standing as Order;
    match (record, style) {
        (Record::MedicationRequest(order), style) => match order.standing() {
            Order::Plain => Standing::Plain,
            Order::Ended => Standing::Ended,
            Order::Live if style != Style::Prescriptions => Standing::Plain,
            Order::Live if order.standing_key() == "on-hold" => Standing::Ended,
            Order::Live => Standing::Live,
            Order::Completed => Standing::Completed,
        },
        (record, _) if record.entered_in_error() => Standing::Ended,
        _ => Standing::Plain,
    }
}

pub(super) fn same_record(job: &ChainJob, version: &VersionRef) -> bool {
    job.record.kind == version.kind && job.record.id == version.id
}

pub(super) const fn priority(purpose: Purpose, kind: Kind) -> u8 {
    match (purpose, kind) {
        (Purpose::Cancel, _) => 0,
        (Purpose::NewRx, _) => 1,
        (Purpose::Copy, Kind::CarePlan) => 2,
        (Purpose::Copy, _) => 3,
    }
}
