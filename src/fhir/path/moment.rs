//! Now and today, boundaries and precision, and the parts of dates and times.

use rust_decimal::{Decimal, RoundingStrategy};

use super::compare::as_quantity;
use super::convert::is_timed;
use super::error::PathError;
use super::eval::{Flow, MORE, Run, Scope, Sink, wrong_type};
use super::func::Func;
use super::item::Item;
use super::op::Call;
use super::quantity::Quantity;
use super::temporal::{Precision, Temporal, TemporalKind, days_in};

/// Hands on what a function on moments or precision gives.
pub(super) fn each<'a>(
    run: &Run<'a>,
    call: &'a Call,
    scope: &Scope<'a, '_>,
    sink: &mut Sink<'_, 'a>,
) -> Flow {
    if matches!(call.func, Func::Now | Func::Today | Func::TimeOfDay) {
        return sink(Item::Temporal(reading(run, call.func)?));
    }
    let item = run.single(&call.input, scope)?;
    let Some(item) = item.filter(|item| !item.is_bare()) else {
        return MORE;
    };
    let arg = match call.args.first() {
        Some(arg) => match run.single(arg, scope)? {
            Some(arg) => Some(arg),
            None => return MORE,
        },
        None => None,
    };
    let result = match call.func {
        Func::Comparable => {
            let other = arg.and_then(|arg| as_quantity(run.types, &arg));
            match (as_quantity(run.types, &item), other) {
                (Some(own), Some(other)) => Some(Item::Boolean(own.comparable(&other))),
                _ => return Err(wrong_type(call.func, "quantities")),
            }
        }
        Func::LowBoundary | Func::HighBoundary => {
            let digits = match arg.map(|arg| arg.simple(run.types)) {
                Some(Item::Integer(digits)) => Some(digits),
                None => None,
                Some(_) => return Err(wrong_type(call.func, "whole numbers of digits")),
            };
            boundary(run, call.func, item, digits)?
        }
        Func::Precision => match item.simple(run.types) {
            Item::Integer(_) => Some(Item::Integer(0)),
            Item::Decimal(value) => Some(Item::Integer(i64::from(value.scale()))),
            Item::Temporal(value) => Some(Item::Integer(digits_of(value))),
            _ => return Err(wrong_type(call.func, "numbers, dates and times")),
        },
        func => match item.simple(run.types) {
            Item::Temporal(value) => part(func, value),
            _ => return Err(wrong_type(func, "dates and times")),
        },
    };
    match result {
        Some(item) => sink(item),
        None => MORE,
    }
}

/// The clock's reading that the caller gave, to milliseconds, in UTC.
fn reading(run: &Run<'_>, func: Func) -> Result<Temporal, PathError> {
    let now = run.env.now.ok_or_else(|| {
        PathError::execution("now(), today() and timeOfDay() need a clock, and none was given")
    })?;
    let mut now = Temporal::date_time(&now.to_string())
        .ok_or_else(|| PathError::execution("the clock is beyond the year 9999"))?;
    now.nanos -= now.nanos % 1_000_000;
    now.digits = 3;
    Ok(match func {
        Func::Now => now,
        Func::Today => now.to_date(),
        _ => Temporal {
            kind: TemporalKind::Time,
            year: 1,
            month: 1,
            day: 1,
            offset: None,
            ..now
        },
    })
}

/// Digits as STU3 counts them: 4 a year, 8 a day, 17 a millisecond; times 2 to 9.
fn digits_of(value: Temporal) -> i64 {
    let date = match value.precision {
        Precision::Year => 4,
        Precision::Month => 6,
        Precision::Day => 8,
        Precision::Hour => 10,
        Precision::Minute => 12,
        Precision::Second => 14 + i64::from(value.digits),
    };
    match value.kind {
        TemporalKind::Time => date - 8,
        _ => date,
    }
}

fn part(func: Func, value: Temporal) -> Option<Item<'static>> {
    let dated = value.kind != TemporalKind::Time;
    let has = |least: Precision| value.precision >= least;
    let number = |fits: bool, number: i64| fits.then_some(Item::Integer(number));
    match func {
        Func::YearOf => number(dated, i64::from(value.year)),
        Func::MonthOf => number(dated && has(Precision::Month), i64::from(value.month)),
        Func::DayOf => number(dated && has(Precision::Day), i64::from(value.day)),
        Func::HourOf => number(has(Precision::Hour), i64::from(value.hour)),
        Func::MinuteOf => number(has(Precision::Minute), i64::from(value.minute)),
        Func::SecondOf => number(has(Precision::Second), i64::from(value.second)),
        Func::MillisecondOf => number(value.digits > 0, i64::from(value.nanos / 1_000_000)),
        Func::TimezoneOffsetOf => {
            let hours = Decimal::from(value.offset?).checked_div(Decimal::from(60))?;
            Some(Item::Decimal(hours.normalize()))
        }
        Func::DateOf => dated.then(|| Item::Temporal(value.to_date())),
        Func::TimeOf => is_timed(value).then_some(Item::Temporal(Temporal {
            kind: TemporalKind::Time,
            year: 1,
            month: 1,
            day: 1,
            offset: None,
            ..value
        })),
        _ => None,
    }
}

fn boundary<'a>(
    run: &Run<'a>,
    func: Func,
    item: Item<'a>,
    digits: Option<i64>,
) -> Result<Option<Item<'a>>, PathError> {
    let high = func == Func::HighBoundary;
    Ok(match item.simple(run.types) {
        Item::Integer(value) => {
            decimal_boundary(Decimal::from(value), high, digits).map(Item::Decimal)
        }
        Item::Decimal(value) => decimal_boundary(value, high, digits).map(Item::Decimal),
        Item::Temporal(value) => temporal_boundary(value, high, digits).map(Item::Temporal),
        other => {
            let own = as_quantity(run.types, &other);
            let own = own.ok_or_else(|| wrong_type(func, "numbers, dates and times"))?;
            decimal_boundary(own.value, high, digits)
                .map(|value| Item::Quantity(Box::new(Quantity { value, ..own })))
        }
    })
}

/// Half a unit of the last digit away, to a number of digits (8 unless given).
fn decimal_boundary(value: Decimal, high: bool, digits: Option<i64>) -> Option<Decimal> {
    let digits = u32::try_from(digits.unwrap_or(8))
        .ok()
        .filter(|digits| *digits <= 28)?;
    let half = Decimal::try_new(5, value.scale() + 1).ok()?;
    let (bound, strategy) = if high {
        (
            value.checked_add(half)?,
            RoundingStrategy::ToPositiveInfinity,
        )
    } else {
        (
            value.checked_sub(half)?,
            RoundingStrategy::ToNegativeInfinity,
        )
    };
    // What vanishes at that precision is zero on both sides: so the official suite has it.
    let vanishes = digits < value.scale() && value.trunc_with_scale(digits).is_zero();
    let mut out = if vanishes {
        Decimal::ZERO
    } else {
        bound.round_dp_with_strategy(digits, strategy)
    };
    out.rescale(digits);
    (out.scale() == digits).then_some(out)
}

fn temporal_boundary(value: Temporal, high: bool, digits: Option<i64>) -> Option<Temporal> {
    let time = value.kind == TemporalKind::Time;
    let all = match value.kind {
        TemporalKind::Date => 8,
        TemporalKind::DateTime => 17,
        TemporalKind::Time => 9,
    };
    let digits = digits.unwrap_or(all) + if time { 8 } else { 0 };
    let (precision, fraction) = match digits {
        4 if !time => (Precision::Year, 0),
        6 if !time => (Precision::Month, 0),
        8 if !time => (Precision::Day, 0),
        10 => (Precision::Hour, 0),
        12 => (Precision::Minute, 0),
        14 => (Precision::Second, 0),
        17 => (Precision::Second, 3),
        _ => return None,
    };
    let mut out = value;
    let missing = |least: Precision| value.precision < least;
    if missing(Precision::Month) && !time {
        out.month = if high { 12 } else { 1 };
    }
    if missing(Precision::Day) && !time {
        out.day = if high {
            days_in(out.year, out.month)
        } else {
            1
        };
    }
    if missing(Precision::Hour) {
        out.hour = if high { 23 } else { 0 };
    }
    if missing(Precision::Minute) {
        out.minute = if high { 59 } else { 0 };
    }
    if missing(Precision::Second) {
        out.second = if high { 59 } else { 0 };
    }
    if value.precision < Precision::Second || value.digits < fraction {
        let known = if missing(Precision::Second) {
            0
        } else {
            value.digits
        };
        let rest = 10u32.pow(9 - u32::from(known.min(9)));
        let given = if missing(Precision::Second) {
            0
        } else {
            value.nanos
        };
        out.nanos = given + if high { rest - 1 } else { 0 };
    }
    out.precision = precision;
    out.digits = fraction;
    if precision < Precision::Second || fraction == 0 {
        out.nanos = 0;
    }
    if precision >= Precision::Hour && !time {
        out.kind = TemporalKind::DateTime;
        if value.offset.is_none() {
            // Somewhere on earth it is that time already, and somewhere still.
            out.offset = Some(if high { -12 * 60 } else { 14 * 60 });
        }
    } else if !time {
        out.offset = None;
    }
    Some(out)
}
