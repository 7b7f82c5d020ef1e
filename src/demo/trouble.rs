//! What goes wrong on purpose: partners that are down, overloaded or drop the line, and a gateway that
//! is killed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::demo::gateway::Gateway;
use crate::demo::partners::Partners;
use crate::demo::sim::Fault;

/// Prepares the trouble of a day; what it is, in a sentence.
pub fn prepare(day: usize, partners: &Partners) {
    let ehr = partners.ehr.faults();
    let pharmacy = partners.pharmacy.faults();
    let webhook = partners.webhook.faults();
    match day {
        // Overloaded, stumbling before and after it stored, away for a moment.
        3 => ehr.writes([
            None,
            Some(Fault::ServerError),
            None,
            None,
            Some(Fault::ServerErrorAfter),
            None,
            Some(Fault::Throttled(1)),
            None,
            None,
            Some(Fault::ServerError),
        ]),
        // The pharmacy is down for the day; the EHR drops the line after it stored.
        4 => {
            partners.pharmacy.switch().down();
            ehr.writes([
                None,
                None,
                Some(Fault::ResetAfter),
                None,
                Some(Fault::Unavailable),
            ]);
            webhook.writes([
                Some(Fault::ServerErrorAfter),
                None,
                Some(Fault::Throttled(1)),
            ]);
        }
        // It is back, takes a prescription and drops the line.
        5 => {
            pharmacy.writes([Some(Fault::ResetAfter), None, Some(Fault::ServerError)]);
            partners.pharmacy.switch().up();
            ehr.writes([Some(Fault::Reset), None, None]);
            webhook.writes([Some(Fault::ResetAfter)]);
        }
        _ => {}
    }
}

/// Kills the gateway so many times: at moments drawn over the play's activity, and where the play has
/// ended before all of them came, while the rest is delivered.
#[derive(Debug)]
pub struct Killer {
    /// How much has to have happened before each kill, ascending.
    moments: Vec<usize>,
    random: fastrand::Rng,
}

/// About how many requests the parties of a play receive for each that the clinic sends.
const PER_STEP: usize = 4;
/// How long a killer waits for activity before it kills all the same.
const STALLED: Duration = Duration::from_millis(1500);

impl Killer {
    /// Draws the moments of a play in which the clinic sends so many records.
    #[must_use]
    pub fn new(kills: u32, steps: usize, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0x6b69_6c6c);
        let all = steps * PER_STEP;
        let mut moments: Vec<usize> = (0..kills).map(|_| random.usize(all / 30..=all)).collect();
        moments.sort_unstable();
        Killer { moments, random }
    }

    /// Kills until all is done or the play is called off.
    ///
    /// # Errors
    /// The gateway cannot be killed or started again.
    pub async fn run(
        mut self,
        gateway: Gateway,
        activity: impl Fn() -> usize,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut quiet = Duration::ZERO;
        let mut before = 0;
        let pulse = Duration::from_millis(5);
        let mut open = std::mem::take(&mut self.moments).into_iter().peekable();
        while let Some(moment) = open.peek() {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pulse) => {}
            }
            let now = activity();
            quiet = if now == before {
                quiet + pulse
            } else {
                Duration::ZERO
            };
            before = now;
            if now < *moment && quiet < STALLED {
                continue;
            }
            // Not at the same point of a request each time.
            tokio::time::sleep(Duration::from_micros(self.random.u64(0..25_000))).await;
            gateway.kill().await?;
            open.next();
            quiet = Duration::ZERO;
            if self.random.u8(0..5) == 0 && open.peek().is_some() {
                // Once more while it is getting up.
                tokio::time::sleep(Duration::from_millis(self.random.u64(0..400))).await;
                gateway.kill().await?;
                open.next();
            }
        }
        Ok(())
    }
}
