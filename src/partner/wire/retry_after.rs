//! `Retry-After`: whole seconds, or a date in one of HTTP's three forms (RFC 9110, 5.6.7 and 10.2.3).

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::Time;

/// How long to stay away, counted from `now`; zero for a date that has passed. `None` for what is
/// neither a number nor a date.
#[must_use]
pub fn retry_after(text: &str, now: Time) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(
            text.parse().unwrap_or(u64::from(u32::MAX)),
        ));
    }
    let date = [
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    ]
    .iter()
    .find_map(|format| DateTime::strptime(format, text).ok())?;
    let micros = date
        .to_zoned_datetime(TimeZone::UTC)
        .ok()?
        .timestamp()
        .as_microsecond();
    Some(Time::from_micros(micros).since(now))
}
