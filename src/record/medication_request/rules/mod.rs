//! The clinical rules of an order (contracts section 8, domain.md section 4): one table, one function
//! each. Pure; a message never holds a value of the record.
//!
//! What the clinic only reports (`home_reported`, `outside`) is not a prescription of ours, so that
//! the rules of signing and of pharmacies do not bind it. What is taken back (cancelled, stopped,
//! entered in error) must always get through: only person and reason are looked at.

mod controlled;
mod regimen;
#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;

use super::{Delivery, MedicationRequest, Standing, State};
use crate::clock::Date;
use crate::issue::Issue;
use crate::record::registration::check_npi;
use crate::record::{Context, MapEnv};

/// What a rule looks at.
pub(super) struct Case<'a> {
    order: &'a MedicationRequest,
    context: &'a Context,
    zone: &'a TimeZone,
    today: Date,
}

impl Case<'_> {
    /// A prescription of this programme that holds.
    fn live(&self) -> bool {
        self.ours() && self.order.standing() == Standing::Live
    }

    /// A prescription of this programme that holds and goes to a pharmacy.
    fn at_pharmacy(&self) -> bool {
        self.live() && self.order.goes_to_pharmacy()
    }

    /// Whether this programme ordered it.
    fn ours(&self) -> bool {
        !matches!(
            self.order.delivery,
            Delivery::HomeReported | Delivery::Outside
        )
    }

    /// The field that holds the signature's date.
    fn signed_pointer(&self) -> &'static str {
        if self.order.epcs.is_some() {
            "/epcs/signed_at"
        } else if self.order.signed_at.is_some() {
            "/signed_at"
        } else {
            "/signed_on"
        }
    }
}

type Rule = fn(&Case<'_>, &mut Vec<Issue>);

/// What every order is asked, however it stands.
const ALWAYS: &[Rule] = &[person, declined, reason];

/// What an order is asked that was not taken back, in the order in which issues are told.
const RULES: &[Rule] = &[
    prescriber,
    pharmacy,
    signature,
    controlled::schedule_table,
    controlled::schedule_limits,
    controlled::six_months,
    controlled::schedule_two_series,
    controlled::evidence,
    controlled::signed_fields,
    controlled::methadone,
    regimen::dates,
    regimen::taper,
    regimen::quantity,
];

/// What is wrong with an order although its shape is right.
pub(super) fn check(order: &MedicationRequest, context: &Context, env: &MapEnv) -> Vec<Issue> {
    let case = Case {
        order,
        context,
        zone: &env.zone,
        today: env.now.date_in(&env.zone),
    };
    let mut issues = Vec::new();
    for rule in ALWAYS {
        rule(&case, &mut issues);
    }
    if order.standing() != Standing::Ended {
        for rule in RULES {
            rule(&case, &mut issues);
        }
    }
    issues
}

/// A broken rule of law or of care.
fn broken(rule: &'static str, pointer: &str, message: &'static str) -> Issue {
    Issue::error("business-rule", rule, pointer, message)
}

/// Something that a person should look at.
fn doubtful(rule: &'static str, pointer: &str, message: &'static str) -> Issue {
    Issue::warning("business-rule", rule, pointer, message)
}

fn person(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    if order.client_no.is_none() && order.episode_id.is_none() {
        issues.push(Issue::error(
            "required",
            "client-missing",
            "/episode_id",
            "an order belongs to an episode, or says whose it is by client_no",
        ));
    }
    if let (Some(client), Some(episode)) = (&order.client_no, &case.context.episode)
        && *client != episode.client_no
    {
        issues.push(broken(
            "client-episode",
            "/client_no",
            "the episode belongs to another client",
        ));
    }
}

fn prescriber(case: &Case<'_>, issues: &mut Vec<Issue>) {
    if !case.live() {
        return;
    }
    if case.order.prescriber_staff_id.is_none() {
        issues.push(Issue::error(
            "required",
            "prescriber-missing",
            "/prescriber_staff_id",
            "an order that holds has a prescriber",
        ));
    }
    let Some(staff) = &case.context.prescriber else {
        return;
    };
    issues.extend(check_npi(staff.npi.as_deref(), "/prescriber_staff_id"));
    if case.at_pharmacy() && staff.npi.is_none() {
        issues.push(broken(
            "prescriber-npi",
            "/prescriber_staff_id",
            "the prescriber has no National Provider Identifier, which a pharmacy needs",
        ));
    }
}

fn pharmacy(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    if order.delivery == Delivery::Otp && order.pharmacy_id.is_some() {
        issues.push(broken(
            "delivery-pharmacy",
            "/pharmacy_id",
            "what an opioid treatment programme gives never goes to a pharmacy",
        ));
    }
    if !case.at_pharmacy() {
        return;
    }
    for (missing, pointer) in [
        (order.pharmacy_id.is_none(), "/pharmacy_id"),
        (order.qty.is_none(), "/qty"),
        (order.refills.is_none(), "/refills"),
        (order.sig_text.is_none(), "/sig_text"),
    ] {
        if missing {
            issues.push(Issue::error(
                "required",
                "pharmacy-field",
                pointer,
                "a prescription for a pharmacy says pharmacy, quantity, refills and directions",
            ));
        }
    }
    if order
        .drug
        .tty
        .is_some_and(|tty| tty.script_qualifier().is_none())
        || order
            .drug
            .known()
            .is_some_and(|known| known.tty.script_qualifier().is_none())
    {
        issues.push(broken(
            "drug-ingredient",
            "/drug/rxcui",
            "the code names an ingredient, not a product that a pharmacy can hand over",
        ));
    }
}

fn signature(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    if case.live() && order.signed().is_none() {
        issues.push(Issue::error(
            "required",
            "signature-missing",
            "/signed_at",
            "an order that holds was signed: it says when",
        ));
    }
    if let Some(signed) = order.signed_date(case.zone)
        && signed > case.today
    {
        issues.push(broken(
            "signature-future",
            case.signed_pointer(),
            "signed in the future",
        ));
    }
}

fn declined(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    match (&order.decline, order.state) {
        (None, State::Declined) => issues.push(Issue::error(
            "required",
            "decline-missing",
            "/decline",
            "a declined order says who declined, why, and whether education was given",
        )),
        (Some(_), state) if state != State::Declined => issues.push(broken(
            "decline-state",
            "/decline",
            "only a declined order says that it was declined",
        )),
        (Some(decline), _) => {
            if decline.by_client && !decline.education_given {
                issues.push(doubtful(
                    "decline-education",
                    "/decline/education_given",
                    "the client declined without having been told what the drug does",
                ));
            }
            if decline.date > case.today {
                issues.push(broken(
                    "dates-order",
                    "/decline/date",
                    "declined in the future",
                ));
            }
        }
        (None, _) => {}
    }
}

fn reason(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let needs = matches!(
        case.order.state,
        State::OnHold | State::Cancelled | State::Discontinued | State::Error
    );
    if case.ours() && needs && case.order.state_reason.is_none() {
        issues.push(doubtful(
            "state-reason",
            "/state_reason",
            "what is held, taken back or stopped should say why",
        ));
    }
}
