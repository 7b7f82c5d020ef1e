//! Time: the only place that asks the machine what time it is.
//!
//! Everything stored is an integer count of microseconds, UTC (contracts section 2). What a clinic
//! wrote as a date or an instant keeps its own text, so that it comes back as it went in. Nothing
//! below the roof may call the system clock: decisions take a `now` argument.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

impl Time {
    /// The far end of time: "not before a person or an event says so".
    pub const NEVER: Time = Time(i64::MAX);

    /// From microseconds since the Unix epoch, UTC.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Time(micros)
    }

    /// Microseconds since the Unix epoch, UTC: the stored form.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// `self + span`, saturating.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Time(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// `self - span`, saturating.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Time(
            self.0
                .saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero if it is not.
    #[must_use]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The calendar date of this moment in a tenant's zone.
    #[must_use]
    pub fn date_in(self, zone: &jiff::tz::TimeZone) -> Date {
        Date(self.timestamp().to_zoned_datetime(zone.clone()).date())
    }

    fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

/// RFC 3339 in UTC, as FHIR `instant` and SCRIPT `SentTime` take it.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// RFC 3339 with an offset.
impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Instant::deserialize(d).map(|i| i.time())
    }
}

/// An instant as somebody wrote it: RFC 3339 with an offset. Keeps its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instant {
    text: String,
    time: Time,
}

impl Instant {
    /// Reads RFC 3339 with an offset (`Z` or `+hh:mm`); `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !text.contains('T') || text.len() > 40 {
            return None;
        }
        let stamp: jiff::Timestamp = text.parse().ok()?;
        Some(Instant {
            text: text.to_owned(),
            time: Time(stamp.as_microsecond()),
        })
    }

    /// The moment it names.
    #[must_use]
    pub fn time(&self) -> Time {
        self.time
    }

    /// The text as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Instant::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 instant"))
    }
}

/// A calendar date in the tenant's zone, `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(jiff::civil::Date);

impl Date {
    /// Reads `YYYY-MM-DD`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 10)
            .then(|| text.parse().ok().map(Date))
            .flatten()
    }

    /// The date as jiff knows it, for arithmetic.
    #[must_use]
    pub fn civil(self) -> jiff::civil::Date {
        self.0
    }

    /// Days from `earlier` to `self`; negative when `self` is before it.
    #[must_use]
    pub fn days_since(self, earlier: Date) -> i64 {
        (self.0 - earlier.0).get_days().into()
    }

    /// The last moment of this day in `zone` (the start of the next one).
    #[must_use]
    pub fn end_in(self, zone: &jiff::tz::TimeZone) -> Time {
        self.0
            .tomorrow()
            .ok()
            .and_then(|next| next.to_zoned_datetime(zone.clone()).ok())
            .map_or(Time::NEVER, |z| Time(z.timestamp().as_microsecond()))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Date::parse(&text).ok_or_else(|| serde::de::Error::custom("not a calendar date"))
    }
}

/// Who tells the time. Handed down from the roof; tests hand down [`Manual`].
pub trait Clock: Send + Sync {
    /// The wall clock, UTC.
    fn now(&self) -> Time;
    /// A clock that only goes forward, for leases: time since some fixed moment.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct System {
    start: std::time::Instant,
}

impl Default for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the machine"
    )]
    fn default() -> Self {
        System {
            start: std::time::Instant::now(),
        }
    }
}

impl Clock for System {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the machine"
    )]
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that moves only when told to: tests run a week of retries in milliseconds.
#[derive(Debug)]
pub struct Manual {
    now: AtomicI64,
    /// What the monotonic clock counts from.
    start: AtomicI64,
}

impl Manual {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Time) -> Self {
        Manual {
            now: AtomicI64::new(now.0),
            start: AtomicI64::new(now.0),
        }
    }

    /// Moves the clock on.
    pub fn advance(&self, span: Duration) {
        self.now.fetch_add(
            i64::try_from(span.as_micros()).unwrap_or(0),
            Ordering::SeqCst,
        );
    }

    /// Sets the wall clock forward, as an administrator or a time server does: no time passes.
    pub fn step(&self, span: Duration) {
        let span = i64::try_from(span.as_micros()).unwrap_or(0);
        self.start.fetch_add(span, Ordering::SeqCst);
        self.now.fetch_add(span, Ordering::SeqCst);
    }

    /// Moves the clock to `time` if that is later.
    pub fn advance_to(&self, time: Time) {
        self.now.fetch_max(time.0, Ordering::SeqCst);
    }
}

impl Clock for Manual {
    fn now(&self) -> Time {
        Time(self.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Time(self.start.load(Ordering::SeqCst)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_keeps_its_text_and_knows_its_moment() {
        let i = Instant::parse("2026-11-23T10:00:00-05:00").expect("valid");
        assert_eq!(i.text(), "2026-11-23T10:00:00-05:00");
        assert_eq!(i.time().to_string(), "2026-11-23T15:00:00Z");
        assert!(Instant::parse("2026-11-23").is_none());
        assert!(Instant::parse("2026-11-23T10:00:00").is_none());
    }

    #[test]
    fn a_day_ends_when_the_next_begins_in_its_zone() {
        let zone = jiff::tz::TimeZone::get("America/New_York").expect("bundled");
        let d = Date::parse("2026-11-23").expect("valid");
        assert_eq!(d.end_in(&zone).to_string(), "2026-11-24T05:00:00Z");
        assert!(Date::parse("2026-02-30").is_none());
    }
}
