//! Rules of days and amounts: dates in order, tapers, quantity against days' supply.

use super::{Case, broken, doubtful};
use crate::clock::Date;
use crate::decimal::Decimal;
use crate::issue::Issue;
use crate::record::medication_request::{Frequency, MedicationRequest, State};

/// Dates come in the order in which things happen.
pub(super) fn dates(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    let before = |a: Option<Date>, b: Option<Date>| matches!((a, b), (Some(a), Some(b)) if a < b);
    if before(order.stop_date, order.start_date) {
        issues.push(broken(
            "dates-order",
            "/stop_date",
            "stops before it starts",
        ));
    }
    if before(order.expires_on, order.earliest_fill_date) {
        issues.push(broken(
            "dates-order",
            "/expires_on",
            "may not be filled any more before it may be filled",
        ));
    }
    for (n, pair) in order.history.windows(2).enumerate() {
        if pair[1].at.time() < pair[0].at.time() {
            issues.push(broken(
                "dates-order",
                &format!("/history/{}/at", n + 1),
                "earlier than the entry before it",
            ));
        }
    }
    if order.pdmp_checked_on.is_some_and(|d| d > case.today) {
        issues.push(broken(
            "dates-order",
            "/pdmp_checked_on",
            "checked in the future",
        ));
    }
    if before(order.review_due, order.start_date) {
        issues.push(broken(
            "dates-order",
            "/review_due",
            "to be reviewed before it starts",
        ));
    }
    let signed = order.signed_date(case.zone).filter(|_| case.live());
    if before(order.earliest_fill_date, signed) {
        issues.push(broken(
            "dates-order",
            "/earliest_fill_date",
            "may be filled before it was signed",
        ));
    }
    if before(order.expires_on, signed) {
        issues.push(broken(
            "dates-order",
            "/expires_on",
            "expired before it was signed",
        ));
    }
    if before(order.start_date, signed) && order.state == State::Signed {
        issues.push(doubtful(
            "start-before-signature",
            "/start_date",
            "starts before it was signed",
        ));
    }
}

/// Steps of a taper follow each other, and there are some exactly when the frequency says so.
pub(super) fn taper(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    let tapers = order.frequency_code == Some(Frequency::Taper);
    if tapers == order.taper_steps.is_empty() {
        issues.push(broken(
            "taper-steps",
            "/taper_steps",
            "a taper has steps, and only a taper (frequency_code TAPER) has",
        ));
    }
    let mut last = 0;
    for (n, step) in order.taper_steps.iter().enumerate() {
        if step.day_to < step.day_from {
            issues.push(broken(
                "taper-order",
                &format!("/taper_steps/{n}/day_to"),
                "the step ends before it begins",
            ));
        }
        if step.day_from <= last {
            issues.push(broken(
                "taper-order",
                &format!("/taper_steps/{n}/day_from"),
                "the step begins before the one before it ended",
            ));
        }
        last = step.day_to.max(last);
    }
    if order.dose_max.is_some() && order.dose_max < order.dose_amount {
        issues.push(broken(
            "dose-range",
            "/dose_max",
            "the highest dose is lower than the lowest",
        ));
    }
}

/// Quantity against days' supply: an error for a fixed regimen of countable units, a warning for what
/// varies (as needed, tapers, partial pick-ups, ranges).
pub(super) fn quantity(case: &Case<'_>, issues: &mut Vec<Issue>) {
    let order = case.order;
    if !case.live() {
        return;
    }
    let (Some(qty), Some(unit), Some(days)) = (&order.qty, order.qty_unit, order.days_supply)
    else {
        return;
    };
    let Some(qty) = Amount::of(qty) else { return };
    if order.dose_unit != Some(unit) || !unit.is_countable() {
        return;
    }
    let Some((whole, day)) = need(order, days) else {
        return;
    };
    let off = (qty.0 - whole.0).abs();
    if !is_fixed(order) {
        // What varies may need less than the most that could be taken, never more.
        if qty.0 > whole.0 {
            issues.push(doubtful(
                "quantity-days-supply",
                "/qty",
                "more than dose and days' supply can use up",
            ));
        }
    } else if off >= day.0 && off > 0 {
        issues.push(broken(
            "quantity-days-supply",
            "/qty",
            "the quantity differs from dose times frequency times days' supply by a day's amount or more",
        ));
    }
}

/// A number of thousandths of thousandths, so that amounts are reckoned without rounding.
struct Amount(i128);

impl Amount {
    const ONE: i128 = 1_000_000;

    fn of(decimal: &Decimal) -> Option<Self> {
        let plain = decimal.plain();
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        if fraction.len() > 6 {
            return None;
        }
        let whole: i128 = whole.parse().ok()?;
        let fraction: i128 = format!("{fraction:0<6}").parse().ok()?;
        Some(Amount(whole.checked_mul(Self::ONE)?.checked_add(fraction)?))
    }
}

fn is_fixed(order: &MedicationRequest) -> bool {
    !order.as_needed
        && order.as_needed_reason.is_none()
        && order.dispense_limit.is_none()
        && order.dose_max.is_none()
        && order.taper_steps.is_empty()
        && !matches!(
            order.frequency_code,
            Some(Frequency::Prn | Frequency::Taper) | None
        )
}

/// The most that can be used up in `days`, and in one day.
fn need(order: &MedicationRequest, days: u32) -> Option<(Amount, Amount)> {
    let days = i128::from(days);
    if !order.taper_steps.is_empty() {
        let mut sum = 0i128;
        for step in &order.taper_steps {
            let (times, per) = step
                .frequency_code
                .unwrap_or(Frequency::QD)
                .times_in_days()?;
            let span = i128::from(step.day_to.checked_sub(step.day_from)?) + 1;
            sum += Amount::of(&step.amount)?.0 * i128::from(times) * span / i128::from(per);
        }
        return Some((Amount(sum), Amount(0)));
    }
    if let Some(max) = &order.max_per_day {
        let day = Amount::of(max)?;
        return Some((Amount(day.0 * days), day));
    }
    let dose = Amount::of(order.dose_max.as_ref().or(order.dose_amount.as_ref())?)?;
    let (times, per) = order.frequency_code?.times_in_days()?;
    let (times, per) = (i128::from(times), i128::from(per));
    let whole = dose.0 * times * days / per;
    // Less often than daily: one dose more or less is a day's amount.
    let day = (dose.0 * times / per).max(dose.0);
    Some((Amount(whole), Amount(day)))
}
