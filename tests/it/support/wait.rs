//! Waiting for a signal from another process or task, with a deadline.

use std::time::Duration;

/// Nothing is waited for longer than this.
const UNTIL_MAX: Duration = Duration::from_secs(60);
/// Between looks at what is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until something holds that another process or task brings about.
#[expect(
    clippy::disallowed_methods,
    reason = "what is waited for happens by the real clock"
)]
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < UNTIL_MAX, "not in time: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
