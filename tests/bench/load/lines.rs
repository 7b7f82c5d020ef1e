//! What long lines do: measured, printed.

use serde_json::{Map, Value, json};

use super::backlog::{self, Drained, Template};
use super::long_lane::{self, Lane};
use super::{Args, Requests, round};

/// What long lines do.
pub(crate) struct Lines {
    lane: Lane,
    few: Drained,
    many: Drained,
    waiting: u64,
}

impl Lines {
    /// Measures them.
    pub(crate) async fn measure(args: &Args, requests: &Requests, partners: &[String]) -> Self {
        let template = Template::make(&args.gateway, &partners[0], requests).await;
        let lane = long_lane::measure(&template).await;
        let drain = |waiting| {
            let partner = partners[0].as_str();
            backlog::drain(&args.gateway, &template, partner, waiting, args.span)
        };
        Lines {
            lane,
            few: drain(1000).await,
            many: drain(args.waiting).await,
            waiting: args.waiting,
        }
    }

    /// Prints them; gives them by their keys.
    pub(crate) fn print(&self) -> Map<String, Value> {
        let (lane, few, many) = (&self.lane, &self.few, &self.many);
        let ratio = many.per_s / few.per_s;
        println!(
            "one patient with 20,000 waiting: claim p99 {:.1} ms; others' jobs, claim to outcome, p99 {:.1} ms, \
             {:.2} times that without",
            lane.claim_p99_ms, lane.others_p99_ms, lane.others_p99_ratio
        );
        println!(
            "{} jobs waiting for a partner that returns: {:.0} a second, {:.0} % of the {:.0} with 1,000 \
             waiting; resident {:.0} MB; out of order {}",
            self.waiting,
            many.per_s,
            100.0 * ratio,
            few.per_s,
            many.rss_mb,
            few.disorder + many.disorder
        );
        println!(
            "CPU a job {:.0} µs, of it SQL {:.0}; with 1,000 waiting {:.0} and {:.0}",
            many.cpu_us, many.writer_us, few.cpu_us, few.writer_us
        );
        let figures = json!({
            "claim_p99_ms": round(lane.claim_p99_ms),
            "others_p99_ratio": round(lane.others_p99_ratio),
            "drain_ratio": round(ratio),
            "drain_per_s": many.per_s.round(),
            "drain_per_s_few": few.per_s.round(),
            "drain_cpu_us": many.cpu_us.round(),
            "drain_cpu_us_few": few.cpu_us.round(),
            "waiting": self.waiting,
            "rss_mb": many.rss_mb.round(),
            "order_violations": few.disorder + many.disorder,
        });
        figures.as_object().cloned().unwrap_or_default()
    }
}
