//! The gate as the core asks it: of one record, one receiver, one route, now.
//!
//! Decides nothing itself: `consent::decide` does (contracts section 4). What is said here is only who
//! is asked and what passes without asking: the clinic's own system, and cancels.

use crate::clock::Date;
use crate::consent::{self, Decision, Labels, Question};
use crate::record::{Context, Kind};
use crate::sync::house::Route;
use crate::sync::job::Purpose;
use crate::sync::ports::{Facts, Style};

/// What the gate said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It may go; the notice that goes with it, where the law wants one.
    Go(Option<String>),
    /// It may not; the gate's word why.
    Stay(&'static str),
}

/// Asks the gate about a record for a receiver, by all routes that lead there: one that lets it pass
/// is enough.
#[must_use]
pub fn ask(
    receiver: &Facts,
    routes: &[&Route],
    kind: Kind,
    labels: &Labels,
    context: &Context,
    today: Date,
) -> Word {
    if receiver.style == Style::Clinic {
        return Word::Go(None);
    }
    let mut word = Word::Stay("no-route");
    for route in routes {
        let question = Question {
            party: &receiver.party,
            class: &receiver.class,
            purpose: route.purpose,
            kind,
            labels,
            consents: &context.consents,
            today,
        };
        match consent::decide(&question) {
            Decision::Allow { notice, .. } => return Word::Go(notice),
            Decision::Deny { why } => word = Word::Stay(why),
        }
    }
    word
}

/// Whether a job passes without being asked about: taking back what somebody has is always allowed.
#[must_use]
pub const fn exempt(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::Cancel)
}
