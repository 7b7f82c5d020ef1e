//! Messages that others wrote, and schema-valid ones: read tolerantly, and held against the strict reader
//! that holds our own writer to account. Needs the shared material; says so where it is not there.

use super::super::envelope;
use super::super::inbound::Heard;
use super::super::xml;
use crate::demo::sim::pharmacy::violations;
use crate::fhir::shared;
use crate::record::{Kind, MapEnv};
use crate::sync::ports::Told;

fn told(bytes: &[u8]) -> Result<Told, String> {
    let message = envelope::read(bytes).map_err(|issue| issue.rule.into_owned())?;
    let zone = MapEnv::example().zone;
    let heard = Heard {
        message: &message,
        partner: None,
        zone: &zone,
    };
    heard
        .read()
        .map_err(|issues| issues[0].rule.clone().into_owned())
}

/// The message of ours that each answers.
fn relates_to(name: &str) -> &'static str {
    if name == "CancelRxResponse" {
        "m-0002"
    } else {
        "m-0001"
    }
}

#[test]
fn schema_valid_messages_pass_the_strict_reader_and_tell_what_they_say() {
    for (name, event) in [
        ("NewRx", Err("script-transaction")),
        ("CancelRx", Err("script-transaction")),
        ("RxChangeRequest", Err("script-transaction")),
        ("RxChangeResponse", Err("script-transaction")),
        ("RxRenewalRequest", Err("script-transaction")),
        ("RxRenewalResponse", Err("script-transaction")),
        ("Status", Ok("acknowledged")),
        ("Error", Ok("error")),
        ("Verify", Ok("verified")),
        ("CancelRxResponse", Ok("cancel_denied")),
        ("RxFill", Ok("filled")),
    ] {
        let file = format!("conformance/ncpdp/schema-valid/{name}.xml");
        let Some(bytes) = shared::read(&file) else {
            return;
        };
        let root = xml::read(&bytes).expect("XML");
        assert_eq!(violations(&root), Vec::<String>::new(), "{name}");
        let told = told(&bytes);
        match event {
            Err(rule) => assert_eq!(told.err().as_deref(), Some(rule), "{name}"),
            Ok(event) => {
                let told = told.expect(name);
                let field = if told.kind == Kind::Dispense {
                    "status"
                } else {
                    "event"
                };
                assert_eq!(told.record[field], event, "{name}");
                assert_eq!(told.relates_to.as_deref(), Some(relates_to(name)), "{name}");
            }
        }
    }
}

#[test]
fn foreign_messages_are_read_tolerantly_and_refused_for_what_they_lack() {
    for (name, expected) in [
        ("cancelrx-response-approved", Ok("cancel_approved")),
        ("error-response", Ok("error")),
        ("legacy-version", Err("script-transaction")),
        ("newrx-basic", Err("script-transaction")),
        ("newrx-edge-empties", Err("script-transaction")),
        ("rxrenewal-response-approved", Err("script-transaction")),
        ("rxrenewal-response-no-outcome", Err("script-transaction")),
        ("status-no-code", Err("script-status-code")),
        ("surescripts-version-2023011", Err("script-transaction")),
    ] {
        let Some(bytes) = shared::read(&format!("conformance/ncpdp/{name}.xml")) else {
            return;
        };
        let root = xml::read(&bytes).expect("XML");
        assert!(
            !violations(&root).is_empty(),
            "{name}: the strict reader lets it pass"
        );
        match expected {
            Ok(event) => {
                let told = told(&bytes).expect(name);
                assert_eq!(told.record["event"], event, "{name}");
                assert!(told.relates_to.is_some(), "{name}");
            }
            Err(rule) => assert_eq!(told(&bytes).err().as_deref(), Some(rule), "{name}"),
        }
    }
}
