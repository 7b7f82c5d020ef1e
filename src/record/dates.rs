//! Rules on dates that several kinds share: in order, and not in the future.
//!
//! Pure; today is what `MapEnv::now` is in the tenant's zone. No date stands in an issue.

use crate::clock::Date;
use crate::issue::Issue;
use crate::record::MapEnv;

/// A date of a record with its pointer; absent ones break no rule.
pub type Dated<'a> = (&'a str, Option<Date>);

/// The issue of a date that lies before another one: it is put at `later`.
#[must_use]
pub fn in_order(earlier: Dated<'_>, later: Dated<'_>) -> Option<Issue> {
    (earlier.1? > later.1?).then(|| {
        Issue::error(
            "business-rule",
            "dates-in-order",
            later.0,
            format!("lies before the date at {}", earlier.0),
        )
    })
}

/// The issue of a date that is still to come.
#[must_use]
pub fn not_future(date: Dated<'_>, env: &MapEnv) -> Option<Issue> {
    (date.1? > env.now.date_in(&env.zone)).then(|| {
        Issue::error(
            "business-rule",
            "date-not-future",
            date.0,
            "what has happened cannot lie in the future",
        )
    })
}

/// The issue of a field that breaks a rule of ours.
#[must_use]
pub fn broken(rule: &'static str, pointer: impl Into<String>, words: &'static str) -> Issue {
    Issue::error("business-rule", rule, pointer, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_in_the_future_by_the_zone_of_the_tenant() {
        let mut env = MapEnv::example();
        env.now = crate::clock::Instant::parse("2026-11-24T03:00:00Z")
            .expect("valid")
            .time();
        let tomorrow = Date::parse("2026-11-24");
        // In New York it is still the 23rd.
        assert!(not_future(("/d", tomorrow), &env).is_some());
        assert!(not_future(("/d", Date::parse("2026-11-23")), &env).is_none());
        let issue = in_order(("/a", tomorrow), ("/b", Date::parse("2026-11-23"))).expect("wrong");
        assert_eq!(
            (issue.path.as_str(), issue.message.contains("2026")),
            ("/b", false)
        );
    }
}
