//! `NewRx`: a new prescription (domain facts, 2.3 and 2.7).
//!
//! | record | SCRIPT |
//! |---|---|
//! | `order_no` | Header/PrescriberOrderNumber |
//! | the message's id and moment of acceptance | Header/MessageID, SentTime: the same at every attempt |
//! | `epcs` | Header/DigitalSignature/DigitalSignatureIndicator; its `dea_no` Prescriber's DEANumber |
//! | client, pharmacy, prescriber, `supervising_id` | Patient, Pharmacy, Prescriber, Supervisor |
//! | `drug` | DrugDescription, DrugCoded: ProductCode ND, DrugDBCode SCD SBD GPK BPK, DEASchedule NCIt |
//! | `qty`, `qty_unit`, `days_supply` | Quantity (qualifier 38, NCIt unit), DaysSupply |
//! | `epcs`, `signed_at`, `signed_on` | WrittenDate: the day of signing in the tenant's zone |
//! | `substitute_ok`, `refills` | Substitutions (`N` is 1), NumberOfRefills, 0 too |
//! | `pharmacy_note`, `dispense_limit` | Note, with the notice of 42 CFR 2.32 |
//! | `sig_text` | Sig/SigText: the directions as they were signed, a taper's too |
//! | `earliest_fill_date`, `expires_on` | OtherMedicationDate EffectiveDate, ExpirationDate |
//!
//! Not sent: the diagnosis and why it was prescribed, what the client uses, allergies, the family, the
//! clinic's notes and history. A client of 18 or younger should come with height and weight, which an
//! order does not hold: a warning.

use crate::issue::Issue;
use crate::partner::ncpdp_script::Letter;
use crate::partner::ncpdp_script::config::Manner;
use crate::partner::ncpdp_script::envelope::{self, Header, Party};
use crate::partner::ncpdp_script::medication::{Extent, prescribed};
use crate::partner::ncpdp_script::people;
use crate::partner::ncpdp_script::writer::Writer;
use crate::record::medication_request::MedicationRequest;

/// Writes a NewRx: its bytes, and what somebody should know.
///
/// # Errors
/// What cannot be said in SCRIPT, at the order's fields.
pub fn write(
    order: &MedicationRequest,
    letter: &Letter<'_>,
    manner: &Manner,
) -> Result<(Vec<u8>, Vec<Issue>), Vec<Issue>> {
    let mut w = Writer::default();
    let context = letter.context;
    let client = context.client.as_ref();
    let (Some(client), Some(pharmacy), Some(prescriber)) = (
        client,
        context.pharmacy.as_ref(),
        context.prescriber.as_ref(),
    ) else {
        return Err(letter.incomplete());
    };
    let signed = order.epcs.as_ref().filter(|_| order.is_controlled());
    if order.is_controlled() && signed.is_none() {
        w.issue(Issue::error(
            "business-rule",
            "script-unsigned",
            "/epcs",
            "a controlled drug is not sent without the evidence of its signature (21 CFR 1311)",
        ));
    }
    let today = letter.now.date_in(&letter.env.zone);
    if client
        .birth_date
        .civil()
        .checked_add(jiff::Span::new().years(19))
        .is_ok_and(|d| today.civil() < d)
    {
        w.issue(Issue::warning(
            "business-rule",
            "script-observation",
            "",
            "the client is 18 or younger: pharmacies expect height and weight, which an order does not hold",
        ));
    }
    let header = Header {
        to: &Party {
            qualifier: "P".to_owned(),
            id: pharmacy.ncpdp_id.clone(),
        },
        from: &letter.sender(&manner.sender, prescriber),
        message_id: letter.message,
        relates_to: None,
        sent: letter.now,
        order_no: Some(&order.order_no),
        signed: signed.is_some(),
    };
    envelope::message(&mut w, &header, |w| {
        w.within("NewRx", |w| {
            people::patient(w, client, letter.client_field(order), true);
            people::pharmacy(w, pharmacy);
            let dea = signed.map(|e| e.dea_no.as_str());
            people::prescriber(w, "Prescriber", prescriber, "/prescriber_staff_id", dea);
            let fills = manner.fill_statuses;
            prescribed(w, order, letter.env, Extent::Whole { fills }, letter.notice);
            if let Some(id) = &order.supervising_id {
                match context.staff_member(id) {
                    Some(staff) => {
                        people::prescriber(w, "Supervisor", staff, "/supervising_id", None)
                    }
                    None => w.missing("/supervising_id", "the supervisor is not known"),
                }
            }
        });
    });
    w.finish()
}
