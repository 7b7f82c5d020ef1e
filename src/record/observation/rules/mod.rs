//! The clinical rules of a measure: right in shape, and still wrong.
//!
//! Each rule says which field and why, never what it holds. Pure; today comes with the environment.

mod panel;
mod single;

use std::time::Duration;

use crate::clock::{Date, Time};
use crate::decimal::Decimal;
use crate::issue::Issue;
use crate::record::observation::{Observation, When};
use crate::record::{Context, MapEnv};

/// How far a clock at the clinic may run ahead of ours.
const AHEAD: Duration = Duration::from_secs(15 * 60);

/// All broken rules.
pub(super) fn rules(record: &Observation, context: &Context, env: &MapEnv) -> Vec<Issue> {
    let mut found = Found(Vec::new());
    whom(record, context, &mut found);
    times(record, env, &mut found);
    if let Some(uds) = &record.uds {
        panel::uds(record, uds, &mut found);
    }
    if let Some(score) = &record.score {
        panel::score(record, score, "/score", &mut found);
    }
    if let Some(score) = &record.withdrawal {
        panel::score(record, score, "/withdrawal", &mut found);
    }
    if let Some(lab) = &record.lab {
        single::lab(record, lab, &mut found);
    }
    if let Some(vital) = &record.vital {
        single::vital(record, vital, &mut found);
    }
    if let Some(effect) = &record.side_effect {
        single::side_effect(record, effect, &mut found);
    }
    if let Some(adherence) = &record.adherence {
        single::adherence(record, adherence, &mut found);
    }
    found.0
}

/// The broken rules so far.
struct Found(Vec<Issue>);

impl Found {
    /// Notes a broken rule, if it is broken.
    fn when(
        &mut self,
        broken: bool,
        rule: &'static str,
        path: impl Into<String>,
        words: &'static str,
    ) {
        if broken {
            self.0
                .push(Issue::error("business-rule", rule, path, words));
        }
    }

    /// A value stands exactly if nobody says that it was not taken.
    fn taken(&mut self, record: &Observation, has_value: bool, path: &str) {
        let missing = record.not_taken.is_some();
        self.when(
            missing && has_value,
            "not-taken-with-value",
            "/not_taken",
            "what was not taken has no value",
        );
        self.when(
            !missing && !has_value,
            "value-missing",
            path,
            "there is neither a value nor a reason why it was not taken",
        );
    }
}

fn whom(record: &Observation, context: &Context, found: &mut Found) {
    if let (Some(client), Some(episode)) = (&record.client_no, &context.episode) {
        found.when(
            *client != episode.client_no,
            "client-of-episode",
            "/client_no",
            "the episode is another client's",
        );
    }
    if let (Some(order), Some(no)) = (
        context
            .orders
            .iter()
            .find(|o| Some(&o.order_no) == record.order_no.as_ref()),
        &record.episode_id,
    ) {
        found.when(
            order.episode_id.as_ref().is_some_and(|e| e != no),
            "order-of-episode",
            "/order_no",
            "the order belongs to another episode",
        );
    }
}

fn times(record: &Observation, env: &MapEnv, found: &mut Found) {
    let zone = &env.zone;
    let first = record.taken_at.as_ref();
    if let (Some(from), Some(until)) = (first, &record.taken_until) {
        found.when(
            before(until, from),
            "dates-order",
            "/taken_until",
            "ends before it began",
        );
    }
    let limit = env.now.plus(AHEAD);
    let today = limit.date_in(zone);
    let ahead = |when: &When| match when.instant() {
        Some(instant) => instant.time() > limit,
        None => when.day().is_some_and(|day| day > today),
    };
    found.when(
        first.is_some_and(ahead),
        "date-future",
        "/taken_at",
        "lies in the future",
    );
    let mut later = |time: Option<Time>, path: String| {
        let Some(time) = time else { return };
        let early = first.is_some_and(|from| match from.instant() {
            Some(from) => time < from.time(),
            None => from.day().is_some_and(|day| time.date_in(zone) < day),
        });
        found.when(
            early,
            "dates-order",
            path.clone(),
            "lies before it was taken",
        );
        found.when(time > limit, "date-future", path, "lies in the future");
    };
    let reported = record.reported_at.as_ref().map(|i| i.time());
    later(reported, "/reported_at".to_owned());
    let specimens = [
        (record.uds.as_ref().and_then(|u| u.specimen.as_ref()), "uds"),
        (record.lab.as_ref().and_then(|l| l.specimen.as_ref()), "lab"),
    ];
    for (specimen, name) in specimens {
        let received = specimen.and_then(|s| s.received_at.as_ref());
        later(
            received.map(|i| i.time()),
            format!("/{name}/specimen/received_at"),
        );
    }
    for (n, result) in record.uds.iter().flat_map(|u| &u.analytes).enumerate() {
        let done = result.confirm.as_ref().and_then(|c| c.done_at.as_ref());
        later(
            done.map(|i| i.time()),
            format!("/uds/analytes/{n}/confirm/done_at"),
        );
    }
}

/// Whether one lies before another, as far as both say it.
fn before(one: &When, other: &When) -> bool {
    match (one.instant(), other.instant()) {
        (Some(one), Some(other)) => one.time() < other.time(),
        _ => {
            let same = one.text().len().min(other.text().len()).min(10);
            one.text()[..same] < other.text()[..same]
        }
    }
}

/// The day of a measure as the clinic wrote it.
fn day(record: &Observation) -> Option<Date> {
    record.taken_at.as_ref().and_then(When::day)
}

/// Whether a value lies outside of whole bounds.
fn outside(value: &Decimal, low: u32, high: u32) -> bool {
    let whole = |n: u32| Decimal::parse(&n.to_string());
    whole(low).is_some_and(|low| *value < low) || whole(high).is_some_and(|high| *value > high)
}
