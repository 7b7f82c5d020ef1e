//! How an order stands and when it was signed: what deliveries ask of it. Pure readings.

use jiff::tz::TimeZone;

use super::{Delivery, MedicationRequest, State};
use crate::clock::{Date, Instant, Time};
use crate::record::drug::{Schedule, Suspicion};

/// How an order stands, as far as deliveries care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nothing prescribed: proposed, being considered, declined before it was signed.
    Plain,
    /// A prescription that holds: signed, sent, filled, on hold.
    Live,
    /// Over as planned.
    Completed,
    /// Taken back: cancelled, stopped, entered in error, declined after it was signed.
    Ended,
}

/// When an order was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed<'a> {
    /// At this moment.
    At(&'a Instant),
    /// On this day of the tenant's zone; the moment is not known.
    On(Date),
}

impl MedicationRequest {
    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self.state {
            State::Proposed | State::ClientConsidering => Standing::Plain,
            State::Declined if self.signed().is_some() => Standing::Ended,
            State::Declined => Standing::Plain,
            State::Signed
            | State::Sent
            | State::Acked
            | State::Filled
            | State::PartiallyFilled
            | State::OnHold => Standing::Live,
            State::Completed => Standing::Completed,
            State::Cancelled | State::Discontinued | State::Error => Standing::Ended,
        }
    }

    /// How it stands, as finely as a pharmacy is told: a change of this makes a message
    /// (contracts section 8). One of `none`, `active`, `on-hold`, `cancelled`, `stopped`,
    /// `completed`.
    #[must_use]
    pub fn standing_key(&self) -> &'static str {
        match self.standing() {
            Standing::Plain => "none",
            Standing::Live if self.state == State::OnHold => "on-hold",
            Standing::Live => "active",
            Standing::Completed => "completed",
            Standing::Ended if self.state == State::Discontinued => "stopped",
            Standing::Ended => "cancelled",
        }
    }

    /// Whether it is one that a pharmacy fills: only these make SCRIPT messages.
    #[must_use]
    pub fn goes_to_pharmacy(&self) -> bool {
        self.delivery == Delivery::Pharmacy
    }

    /// Its schedule: the table's, else what the record says, else not controlled.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        self.drug.schedule()
    }

    /// Whether it is a controlled substance.
    #[must_use]
    pub fn is_controlled(&self) -> bool {
        self.schedule().is_controlled()
    }

    /// Why a person must look at it before it goes anywhere (contracts section 8).
    #[must_use]
    pub fn suspicion(&self) -> Option<Suspicion> {
        self.drug.suspicion()
    }

    /// When it was signed.
    #[must_use]
    pub fn signed(&self) -> Option<Signed<'_>> {
        self.epcs
            .as_ref()
            .map(|e| Signed::At(&e.signed_at))
            .or_else(|| self.signed_at.as_ref().map(Signed::At))
            .or_else(|| self.signed_on.map(Signed::On))
    }

    /// The moment from which its last send counts (contracts section 7): when it was signed, or,
    /// where only a day is known, that day's end in `zone`.
    #[must_use]
    pub fn signed_time(&self, zone: &TimeZone) -> Option<Time> {
        self.signed().map(|signed| match signed {
            Signed::At(instant) => instant.time(),
            Signed::On(date) => date.end_in(zone),
        })
    }

    /// Whether it may have been signed by then; a day counts from its beginning.
    #[must_use]
    pub fn signed_by(&self, then: Time, zone: &TimeZone) -> bool {
        self.signed().is_some_and(|signed| match signed {
            Signed::At(instant) => instant.time() <= then,
            Signed::On(date) => date <= then.date_in(zone),
        })
    }

    /// The day of issue in `zone`: SCRIPT's `WrittenDate`.
    #[must_use]
    pub fn signed_date(&self, zone: &TimeZone) -> Option<Date> {
        self.signed().map(|signed| match signed {
            Signed::At(instant) => instant.time().date_in(zone),
            Signed::On(date) => date,
        })
    }
}
