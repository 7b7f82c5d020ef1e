//! SCRIPT for the `map` command and for fixtures: the same writers and readers, without a partner.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::consent::{self, Decision, Question};
use crate::issue::Issue;
use crate::partner::ncpdp_script::config::Manner;
use crate::partner::ncpdp_script::inbound::Heard;
use crate::partner::ncpdp_script::{CLASS, Letter, cancel_rx, envelope, new_rx};
use crate::record::consent::Purpose;
use crate::record::medication_request::Standing;
use crate::record::{MapEnv, Record, contract};

/// The order of a message that names it only by a message of ours: a door looks that up, `map` cannot.
const STAND_IN: &str = "unknown-order";

/// The message that an order makes at its pharmacy, by how it stands: NewRx, or CancelRx for one that was
/// taken back or put on hold. Bytes and warnings. The notice of 42 CFR 2.32 comes from the consents of the
/// context; a real sending without a consent would be held.
///
/// # Errors
/// What cannot be said in SCRIPT, or that there is nothing to say.
pub fn to_script(
    record: &Record,
    letter: &Letter<'_>,
) -> Result<(Vec<u8>, Vec<Issue>), Vec<Issue>> {
    let nothing = |rule, message| Err(vec![Issue::error("not-supported", rule, "", message)]);
    let Record::MedicationRequest(order) = record else {
        return nothing("script-kind", "only orders become SCRIPT messages");
    };
    if !order.goes_to_pharmacy() {
        return nothing("script-delivery", "the order does not go to a pharmacy");
    }
    let manner = Manner {
        fill_statuses: true,
        ..Manner::default()
    };
    match order.standing() {
        Standing::Live if order.standing_key() != "on-hold" => {
            let (notice, held) = notice(record, letter);
            let letter = Letter {
                notice: notice.as_deref(),
                ..*letter
            };
            let (bytes, mut issues) = new_rx::write(order, &letter, &manner)?;
            issues.extend(held);
            Ok((bytes, issues))
        }
        Standing::Live | Standing::Ended => cancel_rx::write(order, order, letter, &manner),
        Standing::Plain | Standing::Completed => nothing(
            "script-standing",
            "an order that stands like this makes no message",
        ),
    }
}

/// The notice that goes with it to a pharmacy; a warning where no consent covers it.
fn notice(record: &Record, letter: &Letter<'_>) -> (Option<String>, Option<Issue>) {
    let labels = consent::labels(record, letter.context);
    let decision = consent::decide(&Question {
        party: "",
        class: CLASS,
        purpose: Purpose::Treatment,
        kind: record.kind(),
        labels: &labels,
        consents: &letter.context.consents,
        today: letter.now.date_in(&letter.env.zone),
    });
    match decision {
        Decision::Allow { notice, .. } => (notice, None),
        Decision::Deny { .. } => {
            let held = Issue::warning(
                "business-rule",
                "consent-missing",
                "",
                "of a 42 CFR Part 2 programme, and no consent in the context covers pharmacies: it would be held",
            );
            (None, Some(held))
        }
    }
}

/// The record that a message tells of: a dispense or an order-event, and warnings. Its id is made from
/// the MessageID; an order that the message does not name has a stand-in, and a warning says so.
///
/// # Errors
/// What keeps it from being understood, or what the contract of the kind says.
pub fn from_script(bytes: &[u8], env: &MapEnv) -> Result<(Record, Vec<Issue>), Vec<Issue>> {
    let message = envelope::read(bytes).map_err(|issue| vec![issue])?;
    let zone: &TimeZone = &env.zone;
    let heard = Heard {
        message: &message,
        partner: None,
        zone,
    };
    let told = heard.read()?;
    let mut warnings = Vec::new();
    let order = told.order_no.as_deref().unwrap_or_else(|| {
        warnings.push(Issue::warning(
            "business-rule",
            "order-stand-in",
            "Message/Header/PrescriberOrderNumber",
            "the message names its order only by a message of ours: a stand-in stands there",
        ));
        STAND_IN
    });
    let id = env
        .key
        .resource_id("told", message.id().unwrap_or_default(), "");
    let mut record = told.record.clone();
    if let Value::Object(fields) = &mut record {
        fields.insert(told.kind.id_field().to_owned(), json!(format!("in-{id}")));
        fields.insert("version".to_owned(), json!(1));
        fields.insert("order_no".to_owned(), json!(order));
    }
    Ok((contract::parse(told.kind, &record)?, warnings))
}
