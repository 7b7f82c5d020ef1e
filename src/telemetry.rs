//! Logs and metrics: where they go and in which form. No value from a record reaches them: whoever
//! writes a line gives it counts, names from the config, and words from closed lists.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// Begins to log, once per process; later calls change nothing. `filter` as in the config's
/// `log.filter`; what cannot be read counts as `info`.
pub fn start_log<W>(json: bool, filter: &str, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter: Targets = filter
        .parse()
        .unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if json {
        Box::new(
            fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .with_writer(writer)
                .with_filter(filter),
        )
    } else {
        Box::new(
            fmt::layer()
                .with_ansi(false)
                .with_writer(writer)
                .with_filter(filter),
        )
    };
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Seconds: from a millisecond to half a minute.
const BUCKETS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
];

/// Begins to measure, once per process.
pub fn start_metrics() {
    METRICS.get_or_init(|| {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .inspect_err(|e| tracing::error!(cause = %e, "nothing is measured"))
            .ok()
    });
}

/// What was measured in this process, as Prometheus text; empty before [`start_metrics`].
#[must_use]
pub fn measured() -> String {
    METRICS
        .get()
        .and_then(Option::as_ref)
        .map_or_else(String::new, |handle| {
            handle.run_upkeep();
            handle.render()
        })
}
