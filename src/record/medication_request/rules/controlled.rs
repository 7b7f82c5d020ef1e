//! Rules of controlled substances: 21 CFR 1306 and 1311, and methadone (1306.07).

use super::{Case, broken, doubtful};
use crate::issue::Issue;
use crate::record::drug::Schedule;
use crate::record::medication_request::{DrugClass, MedicationRequest, Standing, State};
use crate::record::registration::check_dea;

/// The table of drugs has the last word on schedule and term type.
pub(super) fn schedule_table(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let drug = &case.order.drug;
    if case.ours() && drug.schedule.is_none() {
        issues.push(Issue::error(
            "required",
            "schedule-missing",
            "/drug/schedule",
            "an order says the schedule of its drug, or NC",
        ));
    }
    let Some(known) = drug.known() else { return };
    if drug
        .schedule
        .is_some_and(|s| s != known.ingredient.schedule())
    {
        issues.push(broken(
            "schedule-table",
            "/drug/schedule",
            "the schedule is not the one that the table has for this RxCUI",
        ));
    }
    if drug.tty.is_some_and(|tty| tty != known.tty) {
        issues.push(broken(
            "drug-tty",
            "/drug/tty",
            "the term type is not the one that the table has for this RxCUI",
        ));
    }
}

/// 1306.12(a): schedule II has no refills; 1306.22(a): III and IV at most five.
pub(super) fn schedule_limits(case: &Case<'_>, issues: &mut Vec<Issue>) {
    if !case.live() {
        return;
    }
    let schedule = case.order.schedule();
    if let (Some(max), Some(refills)) = (schedule.refills_max(), case.order.refills)
        && refills > max
    {
        issues.push(broken(
            "refills-schedule",
            "/refills",
            "more refills than the schedule allows: none for II, five for III and IV",
        ));
    }
    if schedule == Schedule::II && case.order.days_supply.is_some_and(|days| days > 90) {
        issues.push(broken(
            "days-supply-schedule",
            "/days_supply",
            "schedule II prescriptions may cover 90 days at most",
        ));
    }
}

/// 1306.22(a): nothing is filled later than six months after the day of issue.
pub(super) fn six_months(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    let (Some(months), Some(issued)) = (
        order.schedule().months_max(),
        order.signed_date(case.zone).filter(|_| case.live()),
    ) else {
        return;
    };
    let Ok(last) = issued.civil().checked_add(jiff::Span::new().months(months)) else {
        return;
    };
    const MESSAGE: &str =
        "schedule III and IV may not be filled later than six months after the day of issue";
    if order.expires_on.is_some_and(|d| d.civil() > last) {
        issues.push(broken("six-months", "/expires_on", MESSAGE));
    }
    if order.earliest_fill_date.is_some_and(|d| d.civil() > last) {
        issues.push(broken("six-months", "/earliest_fill_date", MESSAGE));
    }
    if order.state == State::Signed && case.today.civil() > last {
        issues.push(broken("six-months", case.signed_pointer(), MESSAGE));
    }
    if let (Some(refills), Some(days)) = (order.refills, order.days_supply) {
        let first = order.earliest_fill_date.unwrap_or(issued).civil();
        let span = jiff::Span::new().days(i64::from(refills) * i64::from(days));
        if first.checked_add(span).is_ok_and(|d| d > last) {
            issues.push(doubtful(
                "six-months-refills",
                "/refills",
                "the last refills would come due later than six months after the day of issue",
            ));
        }
    }
}

/// 1306.12(b): several schedule II prescriptions of one day cover 90 days at most, and each after the
/// first says from when it may be filled. Follows `prior_order_no` through the context's orders.
pub(super) fn schedule_two_series(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    if !case.live() || order.schedule() != Schedule::II {
        return;
    }
    let day = order.signed_date(case.zone);
    let earlier = |of: &MedicationRequest| {
        let prior = of.prior_order_no.as_ref()?;
        case.context.orders.iter().find(|o| {
            o.order_no == *prior
                && o.standing() == Standing::Live
                && o.schedule() == Schedule::II
                && day.is_some()
                && o.signed_date(case.zone) == day
        })
    };
    let mut total = order.days_supply.unwrap_or(0);
    let mut at = earlier(order);
    if at.is_none() {
        return;
    }
    for _ in 0..case.context.orders.len() {
        let Some(prior) = at else { break };
        total = total.saturating_add(prior.days_supply.unwrap_or(0));
        at = earlier(prior);
    }
    if total > 90 {
        issues.push(broken(
            "days-supply-schedule",
            "/days_supply",
            "schedule II prescriptions written on one day may cover 90 days at most",
        ));
    }
    if order.earliest_fill_date.is_none() {
        issues.push(broken(
            "earliest-fill",
            "/earliest_fill_date",
            "each schedule II prescription after the first of a series says from when it may be filled",
        ));
    }
}

/// 1311.100 to 1311.140: a controlled prescription that goes to a pharmacy electronically was signed
/// with two different factors under a DEA registration, and is what was signed.
pub(super) fn evidence(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    let Some(epcs) = &order.epcs else {
        if case.at_pharmacy() && order.is_controlled() {
            issues.push(Issue::error(
                "required",
                "epcs-missing",
                "/epcs",
                "a controlled drug goes to a pharmacy only with evidence of a two-factor signature",
            ));
        }
        return;
    };
    if !case.live() {
        return;
    }
    if epcs.factor1 == epcs.factor2 {
        issues.push(broken(
            "epcs-factors",
            "/epcs/factor2",
            "the two factors of a signature are of different sorts",
        ));
    }
    issues.extend(check_dea(Some(&epcs.dea_no), "/epcs/dea_no"));
    if case
        .context
        .prescriber
        .as_ref()
        .is_some_and(|staff| staff.dea_no.as_ref() != Some(&epcs.dea_no))
    {
        issues.push(broken(
            "epcs-registration",
            "/epcs/dea_no",
            "not the prescriber's DEA registration",
        ));
    }
    if epcs.signature_hash != order.signature_hash(case.context) {
        issues.push(broken(
            "epcs-hash",
            "/epcs/signature_hash",
            "the signed content is not what stands here: the prescriber has to sign it again",
        ));
    }
}

/// 1306.05(a): what a controlled prescription must bear.
pub(super) fn signed_fields(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    if !case.at_pharmacy() || !order.is_controlled() {
        return;
    }
    let client = case.context.client.as_ref();
    let staff = case.context.prescriber.as_ref();
    let client_pointer = if order.client_no.is_some() {
        "/client_no"
    } else {
        "/episode_id"
    };
    for (missing, pointer) in [
        (order.drug.strength_text.is_none(), "/drug/strength_text"),
        (order.drug.form.is_none(), "/drug/form"),
        (client.is_some_and(|c| c.address.is_none()), client_pointer),
        (
            staff.is_some_and(|s| s.address.is_none()),
            "/prescriber_staff_id",
        ),
    ] {
        if missing {
            issues.push(Issue::error(
                "required",
                "signed-field",
                pointer,
                "a controlled prescription bears strength, form, and the addresses of patient and prescriber",
            ));
        }
    }
}

/// 1306.07(a): methadone for opioid use disorder is given by a registered programme, never by a
/// retail pharmacy. In this programme an unstated reason counts as that one.
pub(super) fn methadone(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    if !order.drug.is_methadone() || !case.ours() {
        return;
    }
    let other_reason = order
        .indication_code
        .as_deref()
        .is_some_and(|code| !code.starts_with("F11"))
        && order.class != Some(DrugClass::Mat);
    if order.goes_to_pharmacy() && !other_reason {
        issues.push(broken(
            "methadone-otp",
            "/delivery",
            "methadone for opioid use disorder never goes to a pharmacy: an opioid treatment programme gives it",
        ));
    }
}
