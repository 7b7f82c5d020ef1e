//! What comes in, and what is answered.

use serde_json::json;

use super::super::envelope;
use super::{NOW, message, partner};
use crate::ids::MessageId;
use crate::record::Kind;
use crate::sync::ports::{Incoming, RawReceipt, Told};

const HEADER: &str = "<From Qualifier=\"P\">7701630</From><MessageID>p-1</MessageID>\
    <RelatesToMessageID>m-1</RelatesToMessageID><SentTime>2026-11-25T01:00:00Z</SentTime>\
    <RxReferenceNumber>7000123</RxReferenceNumber><PrescriberOrderNumber>RX-1</PrescriberOrderNumber>";

fn decode(body: &str) -> Result<Told, String> {
    let partner = partner("url = \"https://pharmacy.example/script\"");
    let decoded = partner.decode("text/html", &message(HEADER, body));
    match decoded
        .map_err(|issues| issues[0].rule.clone().into_owned())?
        .pop()
    {
        Some(Incoming::Told(told)) => Ok(told),
        _ => Err("nothing".to_owned()),
    }
}

#[test]
fn a_cancel_response_confirms_or_denies_and_nothing_in_between() {
    let response = |r: &str| {
        decode(&format!(
            "<CancelRxResponse><Response>{r}</Response></CancelRxResponse>"
        ))
    };
    let yes = response("<Approved><Note>Never dispensed</Note></Approved>").expect("approved");
    assert_eq!(yes.cancel_confirmed, Some(true));
    assert_eq!(yes.record["text"], "Never dispensed");
    assert_eq!(
        (yes.order_no.as_deref(), yes.relates_to.as_deref()),
        (Some("RX-1"), Some("m-1"))
    );
    let no = response("<Denied><ReasonCode>AR</ReasonCode><ReasonCode>AP</ReasonCode></Denied>")
        .expect("denied");
    assert_eq!(no.cancel_confirmed, Some(false));
    assert_eq!(no.record["detail_codes"], json!(["AR", "AP"]));
    assert_eq!(no.record["partner"], "pharmacy-main");
    for odd in ["", "<Note>x</Note>", "<Approved/><Denied/>"] {
        assert_eq!(
            response(odd).err().as_deref(),
            Some("script-response"),
            "{odd}"
        );
    }
}

#[test]
fn a_fill_says_when_how_much_of_what_or_why_not() {
    let fill = |status: &str, rest: &str| {
        decode(&format!(
            "<RxFill><FillStatus>{status}</FillStatus>{rest}</RxFill>"
        ))
    };
    let dispensed = "<MedicationDispensed><DrugDescription>Suboxone film</DrugDescription><DrugCoded>\
        <DrugDBCode><Code>1010606</Code><Qualifier>SBD</Qualifier></DrugDBCode><DEASchedule><Code>C48676</Code></DEASchedule></DrugCoded>\
        <Quantity><Value>014.50</Value><QuantityUnitOfMeasure><Code>C53499</Code></QuantityUnitOfMeasure></Quantity>\
        <DaysSupply>7</DaysSupply></MedicationDispensed><MedicationPrescribed><DrugCoded><DrugDBCode><Code>1010604</Code>\
        <Qualifier>SCD</Qualifier></DrugDBCode></DrugCoded></MedicationPrescribed>";
    let told = fill("<PartiallyDispensed/>", dispensed).expect("a fill");
    assert_eq!(told.kind, Kind::Dispense);
    let r = &told.record;
    assert_eq!(r["status"], "partially_filled");
    // No LastFillDate: the day of SentTime in the tenant's zone, where it is still the 24th.
    assert_eq!(r["fill_date"], "2026-11-24");
    assert_eq!(r["qty"].to_string(), "14.50");
    assert_eq!((&r["qty_unit"], &r["days"]), (&json!("film"), &json!(7)));
    assert_eq!(
        r["drug"],
        json!({"rxcui": "1010606", "tty": "SBD", "label": "Suboxone film", "schedule": "3"})
    );
    assert_eq!(
        (&r["substituted"], &r["pharmacy_rx_no"]),
        (&json!(true), &json!("7000123"))
    );

    let given = "<MedicationDispensed><LastFillDate><DateTime>2026-11-23T10:00:00Z</DateTime></LastFillDate></MedicationDispensed>";
    assert_eq!(
        fill("<Dispensed/>", given).expect("a fill").record["fill_date"],
        "2026-11-23"
    );

    for (code, reason) in [
        ("AD", "too_soon"),
        ("BP", "out_of_stock"),
        ("DC", "no_refills"),
        ("DE", "not_covered"),
        ("BT", "off_market"),
        ("BG", "other_pharmacy"),
        ("FS", "other"),
        ("ZZ", "other"),
    ] {
        let told = fill(
            &format!(
                "<NotDispensed><Note>why</Note><ReasonCode>{code}</ReasonCode></NotDispensed>"
            ),
            "",
        )
        .expect("no fill");
        assert_eq!(
            told.record["reason"],
            json!({"code": reason, "source_code": code, "text": "why"})
        );
        assert_eq!(told.record["status"], "not_filled");
        assert!(told.record.get("fill_date").is_none());
    }
    for odd in ["", "<Dispensed/><NotDispensed/>", "<Eaten/>"] {
        assert_eq!(
            fill(odd, "").err().as_deref(),
            Some("script-fill-status"),
            "{odd}"
        );
    }
    let none = "<MedicationDispensed><Quantity><Value>0</Value></Quantity></MedicationDispensed>";
    assert_eq!(
        fill("<Dispensed/>", none).err().as_deref(),
        Some("script-number")
    );
    assert!(fill("<NotDispensed/>", none).is_ok());
}

#[test]
fn what_has_no_moment_or_code_or_is_of_another_version_is_not_guessed() {
    let partner = partner("url = \"https://pharmacy.example/script\"");
    let rule = |bytes: &[u8]| {
        let issues = partner.decode("", bytes).expect_err("not understood");
        issues[0].rule.clone().into_owned()
    };
    assert_eq!(rule(&message("", "<Verify/>")), "script-sent-time");
    assert_eq!(rule(&message(HEADER, "<Error/>")), "script-error-code");
    assert_eq!(
        rule(&message(HEADER, "<Status><Code>9</Code></Status>")),
        "script-status-code"
    );
    assert_eq!(rule(&message(HEADER, "<Status/><Error/>")), "script-body");
    assert_eq!(
        rule(&message(HEADER, "<RxTransferRequest/>")),
        "script-transaction"
    );
    assert_eq!(rule(b"<a/>"), "script-message");
    let newer = "<Message TransactionVersion='20230113'><Header/><Body><RxFill><FillStatus><Dispensed/></FillStatus></RxFill></Body></Message>";
    assert_eq!(rule(newer.as_bytes()), "script-version");
}

#[test]
fn repeats_are_known_by_sender_and_message_id_and_answers_have_the_right_ids() {
    let partner = partner("url = \"https://pharmacy.example/script\"");
    let bytes = message(HEADER, "<Verify/>");
    assert_eq!(
        partner.envelope("", &bytes).sender_id.as_deref(),
        Some("7701630/p-1")
    );
    assert_eq!(partner.envelope("", b"no XML").sender_id, None);
    let long = "x".repeat(5000);
    for (bytes, parked, code, to, relates) in [
        (bytes.clone(), false, "010", "7701630", Some("p-1")),
        (bytes, true, "000", "7701630", Some("p-1")),
        (b"no XML".to_vec(), true, "000", "unknown", None),
        (
            message(
                &format!("<From>{long}</From><MessageID>{long}</MessageID>"),
                "<Verify/>",
            ),
            true,
            "000",
            "unknown",
            None,
        ),
    ] {
        let reply = partner.reply(&RawReceipt {
            id: "RAW1",
            sender_id: None,
            message: &MessageId::new("01KAJ8Z2Q0M4T6V8X0Y9"),
            now: NOW,
            parked,
            bytes: &bytes,
        });
        assert_eq!(
            (reply.status, reply.media_type.as_str()),
            (200, "application/xml")
        );
        let root = super::super::xml::read(&reply.body).expect("XML");
        assert_eq!(
            crate::demo::sim::pharmacy::violations(&root),
            Vec::<String>::new()
        );
        let answer = envelope::read(&reply.body).expect("SCRIPT");
        assert_eq!(answer.transaction.text_at("Code"), Some(code));
        assert_eq!(answer.to().map(|p| p.id).as_deref(), Some(to));
        assert_eq!(
            (answer.id(), answer.relates_to()),
            (Some("01KAJ8Z2Q0M4T6V8X0Y9"), relates)
        );
    }
}

fn partly_filled() -> Vec<u8> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/dispense/partial/script.xml"
    );
    std::fs::read(path).expect("a fixture")
}

/// The answer to these bytes is a Status that a strict reader takes, and says whether they were understood.
fn is_answered(bytes: &[u8]) {
    let partner = partner("url = \"https://pharmacy.example/script\"");
    let parked = partner.decode("", bytes).is_err();
    let sender_id = partner.envelope("", bytes).sender_id;
    let reply = partner.reply(&RawReceipt {
        id: "RAW1",
        sender_id: sender_id.as_deref(),
        message: &MessageId::new("01KAJ8Z2Q0M4T6V8X0Y9"),
        now: NOW,
        parked,
        bytes,
    });
    let root = super::super::xml::read(&reply.body).expect("XML");
    assert_eq!(
        crate::demo::sim::pharmacy::violations(&root),
        Vec::<String>::new()
    );
    let code = if parked { "000" } else { "010" };
    assert_eq!(root.text_at("Body/Status/Code"), Some(code));
}

/// A character that XML has not, anywhere in a message: nothing of it is said again.
#[test]
fn what_xml_cannot_say_is_not_said_again() {
    let whole = partly_filled();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes.insert(at, 0);
        is_answered(&bytes);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    /// Cut, doubled, overwritten anywhere: read or refused, and the sender has a Status that a strict reader takes.
    #[test]
    fn whatever_comes_is_answered_with_a_status(
        at in 0usize..2000, length in 0usize..200, put in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
    ) {
        let mut bytes = partly_filled();
        let start = at.min(bytes.len());
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, put);
        is_answered(&bytes);
    }
}
