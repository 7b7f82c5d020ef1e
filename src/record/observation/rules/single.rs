//! Rules of levels, vital signs, side effects and adherence checks.

use super::{Found, day, outside};
use crate::decimal::Decimal;
use crate::record::observation::{Adherence, Flag, Lab, Observation, SideEffect, VitalSign};

pub(super) fn lab(record: &Observation, lab: &Lab, found: &mut Found) {
    found.taken(record, lab.value.is_some(), "/lab/value");
    unit(lab.unit.as_deref(), &[lab.test.unit()], "/lab/unit", found);
    for (value, path) in [
        (&lab.value, "/lab/value"),
        (&lab.ref_low, "/lab/ref_low"),
        (&lab.ref_high, "/lab/ref_high"),
    ] {
        found.when(
            value
                .as_ref()
                .is_some_and(|v| outside(v, 0, lab.test.most())),
            "value-range",
            path,
            "no such value can be found in this unit",
        );
    }
    let hours = lab.hours_post_dose.as_ref();
    found.when(
        hours.is_some_and(|h| outside(h, 0, 1000)),
        "value-range",
        "/lab/hours_post_dose",
        "not a number of hours since a dose",
    );
    if let (Some(low), Some(high)) = (&lab.ref_low, &lab.ref_high) {
        found.when(
            low > high,
            "range-order",
            "/lab/ref_low",
            "the range ends before it begins",
        );
    }
    if let (Some(value), Some(flag), None) = (&lab.value, lab.flag, &lab.comparator) {
        let low = lab.ref_low.as_ref().is_some_and(|l| value < l);
        let high = lab.ref_high.as_ref().is_some_and(|h| value > h);
        let bounded = lab.ref_low.is_some() && lab.ref_high.is_some();
        let wrong = match flag {
            Flag::Normal => low || high,
            Flag::High | Flag::CriticalHigh => low || (bounded && !high),
            Flag::Low | Flag::CriticalLow => high || (bounded && !low),
            Flag::Abnormal => false,
        };
        found.when(
            wrong,
            "flag-range",
            "/lab/flag",
            "the flag contradicts value and range",
        );
    }
}

pub(super) fn vital(record: &Observation, vital: &VitalSign, found: &mut Found) {
    let pressure = vital.sign.parts();
    let parts = vital.systolic.is_some() || vital.diastolic.is_some();
    let has = if pressure {
        parts
    } else {
        vital.value.is_some()
    };
    let path = if pressure {
        "/vital/systolic"
    } else {
        "/vital/value"
    };
    found.taken(record, has, path);
    found.when(
        pressure && vital.value.is_some(),
        "vital-parts",
        "/vital/value",
        "a blood pressure is told as systolic and diastolic",
    );
    found.when(
        !pressure && parts,
        "vital-parts",
        "/vital/systolic",
        "only a blood pressure is systolic and diastolic",
    );
    let units = vital.sign.units();
    unit(vital.unit.as_deref(), units, "/vital/unit", found);
    let (low, high) = vital.sign.bounds();
    for (value, path) in [
        (&vital.value, "/vital/value"),
        (&vital.systolic, "/vital/systolic"),
        (&vital.diastolic, "/vital/diastolic"),
    ] {
        found.when(
            value.as_ref().is_some_and(|v| outside(v, low, high)),
            "value-range",
            path,
            "nobody alive has this value",
        );
    }
    if let (Some(systolic), Some(diastolic)) = (&vital.systolic, &vital.diastolic) {
        found.when(
            diastolic >= systolic,
            "pressure-order",
            "/vital/diastolic",
            "diastolic lies below systolic",
        );
    }
}

fn unit(unit: Option<&str>, allowed: &[&str], path: &str, found: &mut Found) {
    found.when(
        unit.is_some_and(|u| !allowed.contains(&u)),
        "unit-unknown",
        path,
        "not a UCUM unit in which this is told",
    );
}

pub(super) fn side_effect(record: &Observation, effect: &SideEffect, found: &mut Found) {
    found.when(
        record.not_taken.is_some(),
        "not-taken-with-value",
        "/not_taken",
        "a side effect that is told was found",
    );
    found.when(
        effect
            .onset
            .zip(day(record))
            .is_some_and(|(on, day)| on > day),
        "dates-order",
        "/side_effect/onset",
        "begins after it was told",
    );
}

pub(super) fn adherence(record: &Observation, adherence: &Adherence, found: &mut Found) {
    let has = adherence.pct.is_some() || adherence.doses_taken.is_some();
    found.taken(record, has, "/adherence/pct");
    found.when(
        adherence.doses_taken.is_some() && adherence.doses_expected.is_none(),
        "doses-expected-missing",
        "/adherence/doses_expected",
        "doses taken say nothing without the doses due",
    );
    let Some(pct) = &adherence.pct else { return };
    found.when(
        outside(pct, 0, 200),
        "value-range",
        "/adherence/pct",
        "not a share in per cent",
    );
    if let (Some(expected), Some(taken)) = (adherence.doses_expected, adherence.doses_taken)
        && let Some(hundredths) = hundredths(pct)
    {
        let told = hundredths * i128::from(expected);
        let right = 10_000 * i128::from(taken);
        found.when(
            expected > 0 && (told - right).abs() > 100 * i128::from(expected),
            "adherence-pct",
            "/adherence/pct",
            "the share is not doses taken of doses due",
        );
    }
}

/// A share in hundredths of a per cent, what lies behind them cut off.
fn hundredths(pct: &Decimal) -> Option<i128> {
    let plain = pct.plain();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let two: String = fraction.chars().chain("00".chars()).take(2).collect();
    format!("{whole}{two}").parse().ok()
}
