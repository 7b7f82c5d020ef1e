//! The three simulated partners and the clinic's webhook, and what their own books say.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::demo::recount::{Answered, Ask, Script};
use crate::demo::sim::pharmacy::{self, PharmacySim};
use crate::demo::sim::{ClinicSim, Door, EhrSim, Journal, LabSim, ehr};
use crate::demo::site::{Addresses, BASE, CLINIC, EHR, LABORATORY, PHARMACY, Site};

/// How often the pharmacy looks at what lies on its counter.
const WORKS: Duration = Duration::from_millis(120);

/// The partners. Cheap to clone.
#[derive(Clone)]
pub struct Partners {
    /// The EHR.
    pub ehr: EhrSim,
    /// The pharmacy.
    pub pharmacy: PharmacySim,
    /// The laboratory.
    pub laboratory: LabSim,
    /// The clinic's webhook.
    pub webhook: ClinicSim,
}

impl Partners {
    /// Starts them on loopback.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start(
        site: &Site,
        clock: &Arc<dyn Clock>,
        journal: &Journal,
    ) -> anyhow::Result<Self> {
        let ehr = EhrSim::start(EHR, journal.clone(), ehr::Options::default()).await?;
        let pharmacy = PharmacySim::start(
            PHARMACY,
            Arc::clone(clock),
            journal.clone(),
            pharmacy::Options::default(),
        )
        .await?;
        let door = format!("{}/in/{PHARMACY}", site.gateway());
        pharmacy.connect(&door, site.token(PHARMACY))?;
        let door = Door::new(&site.gateway(), site.token(LABORATORY), Arc::clone(clock))?;
        let webhook =
            ClinicSim::start(CLINIC, site.secret(), Arc::clone(clock), journal.clone()).await?;
        Ok(Partners {
            ehr,
            pharmacy,
            laboratory: LabSim::new(LABORATORY, &format!("{BASE}/id/client"), door),
            webhook,
        })
    }

    /// Where they listen.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            ehr: self.ehr.url(),
            pharmacy: self.pharmacy.url(),
            webhook: self.webhook.url(),
        }
    }

    /// Lets the pharmacy work until told to stop: verify, fill, answer cancels.
    pub async fn pharmacy_works(&self, stop: CancellationToken) {
        loop {
            // What could not be told is told the next time.
            let _ = self.pharmacy.work().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(WORKS) => {}
            }
        }
    }

    /// Whether the pharmacy has told all that it has to tell.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        let told = |rx: &pharmacy::Rx| !rx.live || (rx.verified && rx.fills > 0);
        self.pharmacy.prescriptions().iter().all(told)
            && self.pharmacy.cancels().iter().all(|c| c.approved.is_some())
    }

    /// What took effect at the pharmacy, in the order of its journal.
    #[must_use]
    pub fn scripts(&self, journal: &Journal) -> Vec<Script> {
        let (taken, cancels) = (self.pharmacy.prescriptions(), self.pharmacy.cancels());
        journal
            .lines()
            .into_iter()
            .filter(|line| line.partner == PHARMACY && line.outcome.starts_with("accepted"))
            .filter_map(|line| {
                let message = line.message?;
                let order_no = line.ours.unwrap_or_default();
                let ask = if let Some(cancel) = cancels.iter().find(|c| c.message == message) {
                    Ask::Cancel {
                        of: cancel.relates_to.clone(),
                        approved: cancel.approved == Some(true),
                    }
                } else {
                    taken.iter().find(|rx| rx.message == message)?;
                    Ask::NewRx
                };
                Some(Script {
                    message,
                    order_no,
                    ask,
                })
            })
            .collect()
    }

    /// What the pharmacy told the gateway and has its receipt for.
    #[must_use]
    pub fn answered(&self) -> Vec<Answered> {
        let mut all = Vec::new();
        let mut add = |order_no: &str, what| {
            all.push(Answered {
                order_no: order_no.to_owned(),
                what,
            });
        };
        for rx in self.pharmacy.prescriptions() {
            if rx.verified {
                add(&rx.order_no, "verified");
            }
            for _ in 0..rx.fills {
                add(&rx.order_no, "dispense");
            }
        }
        for cancel in self.pharmacy.cancels() {
            match cancel.approved {
                Some(true) => add(&cancel.order_no, "cancel_approved"),
                Some(false) => add(&cancel.order_no, "cancel_denied"),
                None => {}
            }
        }
        all
    }
}
