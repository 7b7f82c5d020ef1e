//! `CancelRx`: takes a prescription back. Always allowed, with the least content that identifies it.
//!
//! Written from the version that went there, at the pharmacy that has it. It says who, what drug, how
//! much, when, and which message of ours it takes back; no address of the client's, no drug code, no
//! days' supply, no note. `ChangeOfPrescriptionStatusFlag`: `D`, the remaining refills are discontinued,
//! where the order was stopped or something of it was handed over; else `C`, cancelled before anything
//! was.

use crate::issue::Issue;
use crate::partner::ncpdp_script::Letter;
use crate::partner::ncpdp_script::config::Manner;
use crate::partner::ncpdp_script::envelope::{self, Header, Party};
use crate::partner::ncpdp_script::medication::{Extent, prescribed};
use crate::partner::ncpdp_script::people;
use crate::partner::ncpdp_script::writer::{Form, Writer};
use crate::record::medication_request::{MedicationRequest, State};

/// Writes a CancelRx of `order`; `cause` is the version that asks for it.
///
/// # Errors
/// What cannot be said in SCRIPT.
pub fn write(
    order: &MedicationRequest,
    cause: &MedicationRequest,
    letter: &Letter<'_>,
    manner: &Manner,
) -> Result<(Vec<u8>, Vec<Issue>), Vec<Issue>> {
    let mut w = Writer::default();
    let context = letter.context;
    let (Some(client), Some(pharmacy), Some(prescriber)) = (
        context.client.as_ref(),
        context.pharmacy.as_ref(),
        context.prescriber.as_ref(),
    ) else {
        return Err(letter.incomplete());
    };
    let header = Header {
        to: &Party {
            qualifier: "P".to_owned(),
            id: pharmacy.ncpdp_id.clone(),
        },
        from: &letter.sender(&manner.sender, prescriber),
        message_id: letter.message,
        relates_to: letter.relates_to,
        sent: letter.now,
        order_no: Some(&order.order_no),
        signed: false,
    };
    envelope::message(&mut w, &header, |w| {
        w.within("CancelRx", |w| {
            let flag = flag(order, cause);
            w.put(
                "ChangeOfPrescriptionStatusFlag",
                Form::Code(&["C", "D"]),
                "/state",
                flag,
            );
            people::patient(w, client, letter.client_field(order), false);
            people::pharmacy(w, pharmacy);
            people::prescriber(w, "Prescriber", prescriber, "/prescriber_staff_id", None);
            prescribed(w, order, letter.env, Extent::Least, None);
        });
    });
    w.finish()
}

fn flag(order: &MedicationRequest, cause: &MedicationRequest) -> &'static str {
    let handed_over = |o: &MedicationRequest| {
        let past = o.history.iter().map(|h| h.state);
        past.chain([o.state])
            .any(|s| matches!(s, State::Filled | State::PartiallyFilled))
    };
    if cause.state == State::Discontinued || handed_over(order) || handed_over(cause) {
        "D"
    } else {
        "C"
    }
}
