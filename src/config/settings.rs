//! The tables that there is one of: `[server]`, `[log]`, `[limits]`, `[delivery]`, `[retry]`, `[retention]`,
//! `[audit]`.

use std::net::SocketAddr;
use std::time::Duration;

use super::reader::Reader;
use super::{Log, Pages, Server};
use crate::json::Limits;
use crate::record::Kind;
use crate::sync::house::Settings;
use crate::sync::people::Limits as People;
use crate::sync::ports::Keep;
use crate::sync::retry::Policy;

const DAY_S: u64 = 24 * 3600;

pub(super) fn ms(reader: &mut Reader, key: &str, default: u64, min: u64, max: u64) -> Duration {
    Duration::from_millis(reader.number(key, default, min, max))
}

pub(super) fn seconds(
    reader: &mut Reader,
    key: &str,
    default: Duration,
    min: u64,
    max: u64,
) -> Duration {
    Duration::from_secs(reader.number(key, default.as_secs(), min, max))
}

/// Days; 0 is for ever.
fn days(reader: &mut Reader, key: &str, default: Option<Duration>) -> Option<Duration> {
    let own = default.map_or(0, |d| d.as_secs() / DAY_S);
    let days = reader.number(key, own, 0, 36_500);
    (days > 0).then(|| Duration::from_secs(days * DAY_S))
}

pub(super) fn server(root: &mut Reader) -> Option<Server> {
    let mut t = root.table("server");
    let text = t.text("listen");
    let listen: Option<SocketAddr> = text.as_deref().unwrap_or("127.0.0.1:8080").parse().ok();
    if listen.is_none() {
        t.fault(
            "listen",
            "must be an address and a port, like 127.0.0.1:8080",
        );
    }
    let connections_max = t.count("connections_max", 1024, 1, 100_000);
    let requests_max = t.count("requests_max", 256, 1, 100_000);
    let header_timeout = ms(&mut t, "header_timeout_ms", 30_000, 100, 120_000);
    let body_timeout = ms(&mut t, "body_timeout_ms", 30_000, 100, 600_000);
    let drain = ms(&mut t, "drain_ms", 20_000, 0, 600_000);
    t.finish();
    Some(Server {
        listen: listen?,
        connections_max,
        requests_max,
        header_timeout,
        body_timeout,
        drain,
    })
}

pub(super) fn log(root: &mut Reader) -> Log {
    let mut t = root.table("log");
    let json = t.word("format", &[("json", true), ("text", false)], true);
    let filter = t.text("filter").unwrap_or_else(|| "info".to_owned());
    if filter
        .parse::<tracing_subscriber::filter::targets::Targets>()
        .is_err()
    {
        t.fault(
            "filter",
            "must be a level (error, warn, info, debug, trace) or target=level, …",
        );
    }
    t.finish();
    Log { json, filter }
}

/// `[limits]`, `[delivery]`, `[retry]`, `[retention]`, `[audit]`.
pub(super) fn core(root: &mut Reader) -> (Settings, Pages) {
    let own = Settings::default();
    let mut t = root.table("limits");
    let json = Limits {
        bytes_max: t.count("body_bytes_max", own.json.bytes_max, 1024, 256 << 20),
        depth_max: t.count("depth_max", own.json.depth_max, 8, 128),
        digits_max: t.count("digits_max", own.json.digits_max, 18, 1000),
        exponent_max: u32::try_from(t.number(
            "exponent_max",
            u64::from(own.json.exponent_max),
            9,
            10_000,
        ))
        .unwrap_or(own.json.exponent_max),
    };
    let jobs_per_record_max = t.count("jobs_per_record_max", own.jobs_per_record_max, 1, 10_000);
    let bundle_entries_max = t.count("bundle_entries_max", own.bundle_entries_max, 1, 100_000);
    let jobs_open_max = t.number("jobs_open_max", own.jobs_open_max, 100, 1_000_000_000);
    let pages = Pages {
        status_rows_max: t.count("status_rows_max", 500, 1, 10_000),
        feed_rows_max: t.count("feed_rows_max", 1000, 1, 10_000),
        list_rows_max: t.count("list_rows_max", 200, 1, 10_000),
    };
    t.finish();

    let mut t = root.table("delivery");
    let node = t.text("node").unwrap_or_else(|| own.node.clone());
    if !super::is_name(&node) {
        t.fault(
            "node",
            "must be 1 to 64 of the characters A-Z a-z 0-9 . _ -",
        );
    }
    let lease = seconds(&mut t, "lease_s", own.lease, 1, DAY_S);
    let poll = Duration::from_millis(t.number(
        "poll_ms",
        u64::try_from(own.poll.as_millis()).unwrap_or(500),
        10,
        60_000,
    ));
    let last_send = seconds(&mut t, "last_send_s", own.last_send, 60, 30 * DAY_S);
    let by_schedule = t.numbers_by_name("last_send_by_schedule_s", 60, 30 * DAY_S);
    let cancel_silence = seconds(
        &mut t,
        "cancel_silence_s",
        own.cancel_silence,
        1,
        30 * DAY_S,
    );
    let parked_holds_lane = t.texts("parked_holds_lane");
    let parked_holds_lane = parked_holds_lane.iter().map(|word| {
        let kind = Kind::parse(word);
        if kind.is_none() {
            t.fault("parked_holds_lane", "must be some of the kinds of records");
        }
        kind
    });
    let parked_holds_lane: Vec<Kind> = parked_holds_lane
        .collect::<Vec<_>>()
        .into_iter()
        .flatten()
        .collect();
    let mut last_send_by_schedule = Vec::new();
    for (schedule, s) in by_schedule {
        if !["II", "III", "IV", "V"].contains(&schedule.as_str()) {
            t.fault(
                "last_send_by_schedule_s",
                "its names must be II, III, IV or V",
            );
        } else if s > last_send.as_secs() {
            t.fault(
                "last_send_by_schedule_s",
                "may only be shorter than last_send_s",
            );
        }
        last_send_by_schedule.push((schedule, Duration::from_secs(s)));
    }
    t.finish();

    let mut t = root.table("people");
    let people = people(&mut t);
    t.finish();

    let mut t = root.table("retry");
    let policy = policy(&mut t, &own.policy);
    t.finish();

    let mut t = root.table("retention");
    let keep = Keep {
        answers: days(&mut t, "answers_days", own.keep.answers),
        payloads: days(&mut t, "payloads_days", own.keep.payloads),
        inbound: days(&mut t, "inbound_days", own.keep.inbound),
    };
    t.finish();

    let mut t = root.table("audit");
    let audit_every = seconds(&mut t, "every_s", own.audit_every, 10, DAY_S);
    let audit_grace = seconds(&mut t, "grace_s", own.audit_grace, 60, DAY_S);
    t.finish();
    (
        Settings {
            policy,
            last_send,
            last_send_by_schedule,
            cancel_silence,
            json,
            jobs_per_record_max,
            bundle_entries_max,
            lease,
            poll,
            node,
            people,
            parked_holds_lane,
            jobs_open_max,
            keep,
            audit_every,
            audit_grace,
        },
        pages,
    )
}

/// What people set going, and what takes two of them.
fn people(t: &mut Reader) -> People {
    let own = People::default();
    let small = |n: u64| u32::try_from(n).unwrap_or(own.replay_rate_max);
    People {
        replay_rate_max: small(t.number(
            "replay_rate_max",
            u64::from(own.replay_rate_max),
            1,
            1000,
        )),
        replay_jobs_max: t.number("replay_jobs_max", own.replay_jobs_max, 1, 10_000_000),
        replay_compared_max: t.count("replay_compared_max", own.replay_compared_max, 0, 10_000),
        two_replay_above: t.number("two_replay_above", own.two_replay_above, 0, 10_000_000),
        two_edit: t.flag("two_edit", own.two_edit),
        two_resolve: t.flag("two_resolve", own.two_resolve),
    }
}

/// A retry schedule: `[retry]`, or a partner's own, which says only what differs.
pub(super) fn policy(t: &mut Reader, base: &Policy) -> Policy {
    Policy {
        schedule_s: t.numbers("schedule_s", &base.schedule_s, 0, 7 * DAY_S),
        jitter_percent: u8::try_from(t.number(
            "jitter_percent",
            u64::from(base.jitter_percent),
            0,
            50,
        ))
        .unwrap_or(base.jitter_percent),
        overload_s: t.number("overload_s", base.overload_s, 0, DAY_S),
        outage_s: t.number("outage_s", base.outage_s, 0, DAY_S),
        outages_max: u32::try_from(t.number("outages_max", u64::from(base.outages_max), 1, 1000))
            .unwrap_or(base.outages_max),
        retry_after_max_s: t.number("retry_after_max_s", base.retry_after_max_s, 1, 7 * DAY_S),
        asks_max: u32::try_from(t.number("asks_max", u64::from(base.asks_max), 1, 1000))
            .unwrap_or(base.asks_max),
        ask_every_s: t.number("ask_every_s", base.ask_every_s, 0, DAY_S),
    }
}
