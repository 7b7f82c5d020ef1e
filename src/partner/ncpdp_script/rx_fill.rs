//! `RxFill`: what a pharmacy handed over, or did not (domain facts, 2.3 and 2.7).
//!
//! | SCRIPT | record |
//! |---|---|
//! | FillStatus Dispensed, PartiallyDispensed, NotDispensed, Transferred | `status` |
//! | its Note, ReasonCode | `note`, `reason` |
//! | Header/RxReferenceNumber, else FillStatus/ReferenceNumber | `pharmacy_rx_no` |
//! | MedicationDispensed/LastFillDate, else the day of SentTime | `fill_date`, where something was handed over |
//! | MedicationDispensed Quantity, DaysSupply, drug, SigText | `qty`, `qty_unit`, `days`, `drug`, `sig_text` |
//! | MedicationDispensed and MedicationPrescribed name other drugs | `substituted` |
//!
//! `NumberOfRefills` is not read as refills left: pharmacies differ in what they put there.

use serde_json::{Map, Value};

use crate::clock::Instant;
use crate::issue::Issue;
use crate::partner::ncpdp_script::inbound::{Fields, Heard, put};
use crate::partner::ncpdp_script::medication::{amount, day, read_drug, rxnorm};
use crate::partner::ncpdp_script::xml::Node;
use crate::record::Kind;
use crate::record::dispense::{ReasonCode, Source, Status};
use crate::record::drug::Unit;
use crate::sync::ports::Told;

const AT: &str = "Message/Body/RxFill";

/// What an RxFill tells.
///
/// # Errors
/// It is of another version, or does not say what became of the fill, how much, or when it was sent.
pub fn told(heard: &Heard<'_>) -> Result<Told, Vec<Issue>> {
    if heard.message.other_version() {
        return Err(vec![Issue::error(
            "not-supported",
            "script-version",
            "Message",
            "fills are read in version 2017071 only",
        )]);
    }
    let fill = &heard.message.transaction;
    let (status, outcome) = outcome(fill)?;
    let sent = heard.sent()?;
    let mut fields = Fields::new();
    put(&mut fields, "source", Some(Source::RxFill.as_str()));
    put(&mut fields, "status", Some(status.as_str()));
    put(&mut fields, "received_at", Some(&sent));
    let rx_no = heard
        .message
        .rx_no()
        .or_else(|| outcome.text_at("ReferenceNumber"));
    put(&mut fields, "pharmacy_rx_no", rx_no);
    if let Some(dispensed) = fill.child("MedicationDispensed") {
        dispense(
            &mut fields,
            dispensed,
            fill.child("MedicationPrescribed"),
            status,
        )?;
    }
    if matches!(status, Status::Filled | Status::PartiallyFilled)
        && !fields.contains_key("fill_date")
        && let Some(at) = Instant::parse(&sent)
    {
        let date = at.time().date_in(heard.zone).to_string();
        put(&mut fields, "fill_date", Some(&date));
    }
    if let Some(code) = outcome.text_at("ReasonCode") {
        let mut why = Map::new();
        put(&mut why, "code", Some(reason(code).as_str()));
        put(&mut why, "source_code", Some(code));
        put(&mut why, "text", outcome.text_at("Note"));
        fields.insert("reason".to_owned(), Value::Object(why));
    } else {
        put(&mut fields, "note", outcome.text_at("Note"));
    }
    Ok(heard.told(Kind::Dispense, fields, None))
}

/// What became of the fill: exactly one of the four.
fn outcome(fill: &Node) -> Result<(Status, &Node), Vec<Issue>> {
    let known = [
        ("Dispensed", Status::Filled),
        ("PartiallyDispensed", Status::PartiallyFilled),
        ("NotDispensed", Status::NotFilled),
        ("Transferred", Status::Transferred),
    ];
    let mut found = fill.child("FillStatus").into_iter().flat_map(|status| {
        let of = |name| status.child(name);
        known
            .iter()
            .filter_map(move |(name, s)| Some((*s, of(name)?)))
    });
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(wrong(
            "structure",
            "script-fill-status",
            "FillStatus",
            "the message does not say what became of the fill, once",
        )),
    }
}

fn dispense(
    fields: &mut Fields,
    dispensed: &Node,
    prescribed: Option<&Node>,
    status: Status,
) -> Result<(), Vec<Issue>> {
    if let Some(date) = dispensed.child("LastFillDate").and_then(day) {
        put(fields, "fill_date", Some(&date.to_string()));
    }
    if let Some(value) = dispensed.text_at("Quantity/Value") {
        match amount(value) {
            Some(number) => {
                fields.insert("qty".to_owned(), Value::Number(number));
                let unit = dispensed
                    .text_at("Quantity/QuantityUnitOfMeasure/Code")
                    .and_then(Unit::from_ncit);
                put(fields, "qty_unit", unit.map(Unit::as_str));
            }
            // Nothing was handed over: 0 says it, too.
            None if !matches!(status, Status::Filled | Status::PartiallyFilled) => {}
            None => {
                return Err(wrong(
                    "value",
                    "script-number",
                    "MedicationDispensed/Quantity/Value",
                    "the quantity is not a number above 0",
                ));
            }
        }
    }
    if let Some(days) = dispensed
        .text_at("DaysSupply")
        .and_then(|d| d.parse::<u32>().ok())
        .filter(|d| *d > 0)
    {
        fields.insert("days".to_owned(), Value::from(days));
    }
    if let Some(drug) = read_drug(dispensed) {
        fields.insert("drug".to_owned(), Value::Object(drug));
    }
    let codes = (rxnorm(dispensed), prescribed.and_then(rxnorm));
    if let (Some((given, _)), Some((ordered, _))) = codes
        && given != ordered
    {
        fields.insert("substituted".to_owned(), Value::from(true));
    }
    put(fields, "sig_text", dispensed.text_at("Sig/SigText"));
    Ok(())
}

/// Why nothing was handed over, or not all.
fn reason(code: &str) -> ReasonCode {
    match code {
        "AA" => ReasonCode::ClientNotFound,
        "AD" => ReasonCode::TooSoon,
        "AO" | "DE" => ReasonCode::NotCovered,
        "BG" => ReasonCode::OtherPharmacy,
        "BP" => ReasonCode::OutOfStock,
        "BT" => ReasonCode::OffMarket,
        "CS" => ReasonCode::ClientNotFound,
        "DC" => ReasonCode::NoRefills,
        _ => ReasonCode::Other,
    }
}

fn wrong(code: &'static str, rule: &'static str, at: &str, message: &'static str) -> Vec<Issue> {
    vec![Issue::error(code, rule, format!("{AT}/{at}"), message)]
}
