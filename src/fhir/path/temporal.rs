//! Dates, times and both, with the precision they were written with.
//!
//! Two values that agree as far as both are known, but not both to the same precision, cannot be
//! compared: the answer is empty (N1, "Date/Time Comparison"). Seconds and their fraction count as one
//! precision. Years 0001 to 9999.

use std::cmp::Ordering;
use std::fmt;

/// What a [`Temporal`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemporalKind {
    /// A date.
    Date,
    /// A date with a time, or one that could have a time.
    DateTime,
    /// A time of day.
    Time,
}

/// How precise a [`Temporal`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Precision {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// A date, a time or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temporal {
    pub(super) kind: TemporalKind,
    pub(super) precision: Precision,
    pub(super) year: i16,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    /// Digits of the fraction of a second, at most 9.
    pub(super) digits: u8,
    pub(super) nanos: u32,
    /// Minutes east of UTC.
    pub(super) offset: Option<i16>,
}

/// Walks over digits.
struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl Scan<'_> {
    fn rest(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn digits(&mut self, count: usize) -> Option<u16> {
        let digits = self.rest().get(..count)?;
        let mut value = 0u16;
        for digit in digits {
            value = value * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        self.at += count;
        Some(value)
    }

    /// Two digits within bounds.
    fn two(&mut self, least: u16, most: u16) -> Option<u8> {
        let value = self.digits(2)?;
        (least..=most).contains(&value).then_some(())?;
        u8::try_from(value).ok()
    }

    /// Takes the sign if a digit follows it.
    fn sign(&mut self, sign: u8) -> bool {
        let rest = self.rest();
        let fits = rest.first() == Some(&sign) && rest.get(1).is_some_and(u8::is_ascii_digit);
        self.at += usize::from(fits);
        fits
    }
}

impl Temporal {
    const START: Temporal = Temporal {
        kind: TemporalKind::Date,
        precision: Precision::Year,
        year: 1,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        digits: 0,
        nanos: 0,
        offset: None,
    };

    fn scan_date(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        self.year = i16::try_from(scan.digits(4)?)
            .ok()
            .filter(|year| *year > 0)?;
        if scan.sign(b'-') {
            self.month = scan.two(1, 12)?;
            self.precision = Precision::Month;
            if scan.sign(b'-') {
                self.day = scan.two(1, 31)?;
                (self.day <= days_in(self.year, self.month)).then_some(())?;
                self.precision = Precision::Day;
            }
        }
        Some(())
    }

    fn scan_time(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        self.hour = scan.two(0, 23)?;
        self.precision = Precision::Hour;
        if scan.sign(b':') {
            self.minute = scan.two(0, 59)?;
            self.precision = Precision::Minute;
            if scan.sign(b':') {
                // A leap second counts as the last second of its minute.
                self.second = scan.two(0, 60)?.min(59);
                self.precision = Precision::Second;
                if scan.sign(b'.') {
                    while let Some(digit) = scan.digits(1) {
                        if self.digits < 9 {
                            self.digits += 1;
                            self.nanos += u32::from(digit) * 10u32.pow(9 - u32::from(self.digits));
                        }
                    }
                }
            }
        }
        Some(())
    }

    fn scan_offset(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        if scan.rest().first() == Some(&b'Z') {
            scan.at += 1;
            self.offset = Some(0);
            return Some(());
        }
        let minus = scan.sign(b'-');
        if minus || scan.sign(b'+') {
            let hours = i16::from(scan.two(0, 14)?);
            let colon = scan.sign(b':');
            colon.then_some(())?;
            let minutes = hours * 60 + i16::from(scan.two(0, 59)?);
            self.offset = Some(if minus { -minutes } else { minutes });
        }
        Some(())
    }

    /// Reads a date; the whole text must be one.
    #[must_use]
    pub fn date(text: &str) -> Option<Temporal> {
        let mut out = Temporal::START;
        let mut scan = Scan { text, at: 0 };
        out.scan_date(&mut scan)?;
        scan.rest().is_empty().then_some(out)
    }

    /// Reads a date with or without a time; the whole text must be one.
    #[must_use]
    pub fn date_time(text: &str) -> Option<Temporal> {
        let mut out = Temporal {
            kind: TemporalKind::DateTime,
            ..Temporal::START
        };
        let mut scan = Scan { text, at: 0 };
        out.scan_date(&mut scan)?;
        if scan.rest().first() == Some(&b'T') {
            scan.at += 1;
            if out.precision == Precision::Day && !scan.rest().is_empty() {
                out.scan_time(&mut scan)?;
                out.scan_offset(&mut scan)?;
            }
        }
        scan.rest().is_empty().then_some(out)
    }

    /// Reads a time of day; the whole text must be one.
    #[must_use]
    pub fn time(text: &str) -> Option<Temporal> {
        let mut out = Temporal {
            kind: TemporalKind::Time,
            ..Temporal::START
        };
        let mut scan = Scan {
            text: text.strip_prefix('T').unwrap_or(text),
            at: 0,
        };
        out.scan_time(&mut scan)?;
        scan.rest().is_empty().then_some(out)
    }

    /// The day alone.
    pub(super) fn to_date(self) -> Temporal {
        Temporal {
            kind: TemporalKind::Date,
            precision: self.precision.min(Precision::Day),
            ..Temporal::START
        }
        .with_day_of(self)
    }

    fn with_day_of(mut self, other: Temporal) -> Temporal {
        (self.year, self.month, self.day) = (other.year, other.month, other.day);
        self
    }

    /// As a literal stands after its `@`.
    pub(super) fn literal(self) -> String {
        let text = self.to_string();
        match self.kind {
            TemporalKind::DateTime if self.precision <= Precision::Day => text + "T",
            TemporalKind::Time => format!("T{text}"),
            _ => text,
        }
    }

    /// Days since 1 January 1970.
    fn days(self) -> i64 {
        days_from_civil(i64::from(self.year), self.month, self.day)
    }

    fn set_days(&mut self, days: i64) -> Option<()> {
        let (year, month, day) = civil_from_days(days);
        self.year = i16::try_from(year)
            .ok()
            .filter(|year| (1..=9999).contains(year))?;
        (self.month, self.day) = (month, day);
        Some(())
    }

    /// The same moment in UTC, where an offset is known.
    fn in_utc(mut self, offset: i16) -> Temporal {
        let minutes = i64::from(self.hour) * 60 + i64::from(self.minute) - i64::from(offset);
        if self
            .set_days(self.days() + minutes.div_euclid(1440))
            .is_some()
        {
            let of_day = minutes.rem_euclid(1440);
            self.hour = u8::try_from(of_day / 60).unwrap_or(0);
            self.minute = u8::try_from(of_day % 60).unwrap_or(0);
            self.offset = Some(0);
        }
        self
    }

    /// Compares; `None` where the precisions leave it open, or a time meets a date. A value without
    /// an offset beside one with is taken to have `offset` (minutes east of UTC).
    pub(super) fn compare(self, other: Temporal, offset: i16) -> Option<Ordering> {
        if (self.kind == TemporalKind::Time) != (other.kind == TemporalKind::Time) {
            return None;
        }
        let timed = |value: Temporal| value.precision >= Precision::Hour;
        let (mut a, mut b) = (self, other);
        if timed(a) && timed(b) && a.offset != b.offset {
            a = a.in_utc(a.offset.unwrap_or(offset));
            b = b.in_utc(b.offset.unwrap_or(offset));
        }
        let parts = |value: Temporal| {
            let seconds = u64::from(value.second) * 1_000_000_000 + u64::from(value.nanos);
            [
                u64::from(value.year.unsigned_abs()),
                u64::from(value.month),
                u64::from(value.day),
                u64::from(value.hour),
                u64::from(value.minute),
                seconds,
            ]
        };
        let (left, right) = (parts(a), parts(b));
        let common = a.precision.min(b.precision) as usize;
        for at in 0..=common {
            match left[at].cmp(&right[at]) {
                Ordering::Equal => {}
                other => return Some(other),
            }
        }
        (a.precision == b.precision).then_some(Ordering::Equal)
    }

    /// Adds whole months, keeping the day where the month has it.
    fn add_months(&mut self, months: i64) -> Option<()> {
        let total = i64::from(self.year) * 12 + i64::from(self.month) - 1;
        let total = total.checked_add(months)?;
        let year = i16::try_from(total.div_euclid(12)).ok();
        self.year = year.filter(|year| (1..=9999).contains(year))?;
        self.month = u8::try_from(total.rem_euclid(12) + 1).ok()?;
        self.day = self.day.min(days_in(self.year, self.month));
        Some(())
    }

    /// Adds an amount of a calendar unit (`year` … `millisecond`), cut to what the value's precision
    /// holds; a time of day goes round. `None` beyond years 1 to 9999.
    pub(super) fn add(mut self, amount: i64, unit: &str) -> Option<Temporal> {
        let time = self.kind == TemporalKind::Time;
        let nanos = match unit {
            "year" if !time => {
                self.add_months(amount.checked_mul(12)?)?;
                return Some(self);
            }
            "month" if !time => {
                match self.precision {
                    Precision::Year => self.add_months((amount / 12).checked_mul(12)?)?,
                    _ => self.add_months(amount)?,
                }
                return Some(self);
            }
            "week" if !time => i128::from(amount) * 7 * 86_400_000_000_000,
            "day" if !time => i128::from(amount) * 86_400_000_000_000,
            "hour" => i128::from(amount) * 3_600_000_000_000,
            "minute" => i128::from(amount) * 60_000_000_000,
            "second" => i128::from(amount) * 1_000_000_000,
            "millisecond" => i128::from(amount) * 1_000_000,
            _ => return None,
        };
        const DAY: i128 = 86_400_000_000_000;
        match self.precision {
            Precision::Year => {
                self.add_months(i64::try_from(nanos / DAY / 365).ok()?.checked_mul(12)?)?
            }
            Precision::Month => self.add_months(i64::try_from(nanos / DAY / 30).ok()?)?,
            Precision::Day => {
                let days = i64::try_from(nanos / DAY).ok()?;
                self.set_days(self.days().checked_add(days)?)?;
            }
            _ => {
                let unit: i128 = match self.precision {
                    Precision::Hour => 3_600_000_000_000,
                    Precision::Minute => 60_000_000_000,
                    _ => 1,
                };
                let of_day = (i128::from(self.hour) * 3600
                    + i128::from(self.minute) * 60
                    + i128::from(self.second))
                    * 1_000_000_000
                    + i128::from(self.nanos);
                let sum = of_day + nanos / unit * unit;
                if !time {
                    let days = i64::try_from(sum.div_euclid(DAY)).ok()?;
                    self.set_days(self.days().checked_add(days)?)?;
                }
                let of_day = sum.rem_euclid(DAY);
                self.hour = u8::try_from(of_day / 3_600_000_000_000).ok()?;
                self.minute = u8::try_from(of_day / 60_000_000_000 % 60).ok()?;
                self.second = u8::try_from(of_day / 1_000_000_000 % 60).ok()?;
                self.nanos = u32::try_from(of_day % 1_000_000_000).ok()?;
                if self.precision == Precision::Second && !self.nanos.is_multiple_of(1_000_000_000)
                {
                    self.digits = self.digits.max(3);
                }
            }
        }
        Some(self)
    }
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != TemporalKind::Time {
            write!(f, "{:04}", self.year)?;
            if self.precision >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.precision >= Precision::Hour {
                f.write_str("T")?;
            }
        }
        if self.precision >= Precision::Hour {
            write!(f, "{:02}", self.hour)?;
        }
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
            if self.digits > 0 {
                let fraction = format!("{:09}", self.nanos);
                write!(f, ".{}", &fraction[..usize::from(self.digits.min(9))])?;
            }
        }
        match self.offset {
            Some(0) => f.write_str("Z"),
            Some(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            None => Ok(()),
        }
    }
}

/// A literal at the beginning of a text, without its `@`: its length and value.
pub(super) fn literal(text: &str) -> Option<(usize, Temporal)> {
    let mut out = Temporal::START;
    let mut scan = Scan { text, at: 0 };
    if text.starts_with('T') {
        scan.at = 1;
        out.kind = TemporalKind::Time;
        out.scan_time(&mut scan)?;
        return Some((scan.at, out));
    }
    out.scan_date(&mut scan)?;
    if scan.rest().first() == Some(&b'T') {
        scan.at += 1;
        out.kind = TemporalKind::DateTime;
        if out.precision == Precision::Day && scan.rest().first().is_some_and(u8::is_ascii_digit) {
            out.scan_time(&mut scan)?;
            out.scan_offset(&mut scan)?;
        }
    }
    Some((scan.at, out))
}

/// Days of a month.
pub(super) fn days_in(year: i16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970 of a day of the Gregorian calendar, counted in years that begin in March.
fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * index + 2) / 5 + 1;
    let month = if index < 10 { index + 3 } else { index - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (
        year,
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}
