//! What is read of a partner's book, and the pharmacy's own word to the gateway.

use std::time::Duration;

use fhir_gateway::clock::{Clock, System};

use super::setup::TO_EHR;
use crate::check::Book;
use crate::door::Door;
use crate::partner::{Keep, Partner};

pub(super) fn book(partner: &Partner) -> Book {
    let lines = partner.book();
    let base = Book {
        partner: partner.name().to_owned(),
        lines,
        ..Book::default()
    };
    match &*partner.keep() {
        Keep::Ehr(ehr) => Book {
            kinds: TO_EHR.map(str::to_owned).to_vec(),
            kept: ehr.all(),
            ..base
        },
        Keep::Pharmacy(pharmacy) => Book {
            kinds: vec![TO_EHR[0].to_owned()],
            pharmacy: true,
            live: pharmacy
                .prescriptions()
                .iter()
                .filter(|rx| rx.live)
                .map(|rx| (rx.order.clone(), rx.message.clone()))
                .collect(),
            live_twice: pharmacy.live_twice.clone(),
            ..base
        },
    }
}

/// Tells the gateway what became of cancels, each until it has heard.
pub(super) fn teller(partner: Partner, door: Door) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let clock = System::default();
        loop {
            let next = match &*partner.keep() {
                Keep::Pharmacy(pharmacy) => pharmacy.to_tell(clock.now()),
                Keep::Ehr(_) => return,
            };
            if let Some((message, bytes)) = next {
                let path = format!("/in/{}", partner.name());
                if let Ok((200..300, _)) = door.tell(&path, &bytes).await
                    && let Keep::Pharmacy(pharmacy) = &mut *partner.keep()
                {
                    pharmacy.told(&message);
                    continue;
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    })
}
