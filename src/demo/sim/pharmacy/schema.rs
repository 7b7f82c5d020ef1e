//! How strict a pharmacy reads: element order, counts, lengths and patterns of SCRIPT 2017071, as far as
//! they are known (domain facts, 2.2 to 2.4).
//!
//! Written apart from the gateway's writer, so that the one holds the other to account; no schema text of
//! NCPDP's stands here. What is not known in detail is let pass.

use crate::partner::ncpdp_script::xml::Node;

/// What an element holds.
#[derive(Clone, Copy)]
enum Holds {
    /// Text of 1 to this many characters.
    Text(usize),
    /// Text that passes.
    Like(fn(&str) -> bool),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// These, in this order.
    Seq(&'static [Part]),
    /// Exactly one of these.
    Choice(&'static [Part]),
    /// Anything.
    Any,
}

/// A child: its name, how often, what it holds.
#[derive(Clone, Copy)]
struct Part(&'static str, usize, usize, Holds);

const fn one(name: &'static str, holds: Holds) -> Part {
    Part(name, 1, 1, holds)
}

const fn opt(name: &'static str, holds: Holds) -> Part {
    Part(name, 0, 1, holds)
}

const fn any(name: &'static str, max: usize) -> Part {
    Part(name, 0, max, Holds::Any)
}

fn digits(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn number(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    text.len() <= 11 && digits(whole, 1, 11) && digits(part, 1, 11)
}

fn date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

fn moment(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok()
}

const NAME: Holds = Holds::Text(35);
const CODE: Holds = Holds::Text(15);
const DAY: Holds = Holds::Choice(&[
    one("Date", Holds::Like(date)),
    one("DateTime", Holds::Like(moment)),
]);

const HEADER: &[Part] = &[
    one("To", Holds::Text(80)),
    one("From", Holds::Text(80)),
    one("MessageID", NAME),
    opt("RelatesToMessageID", NAME),
    one("SentTime", Holds::Like(moment)),
    any("Security", 1),
    one(
        "SenderSoftware",
        Holds::Seq(&[
            one("SenderSoftwareDeveloper", NAME),
            one("SenderSoftwareProduct", NAME),
            one("SenderSoftwareVersionRelease", Holds::Text(50)),
        ]),
    ),
    any("Mailbox", 1),
    any("TestMessage", 1),
    opt("RxReferenceNumber", NAME),
    opt("TertiaryIdentifier", Holds::Text(3)),
    opt("PrescriberOrderNumber", NAME),
    opt(
        "DigitalSignature",
        Holds::Choice(&[
            one(
                "DigitalSignatureIndicator",
                Holds::OneOf(&["true", "false", "1", "0"]),
            ),
            one("DigestMethod", Holds::Any),
        ]),
    ),
    any("PrescriberOrderGroup", 1),
    any("RxReferenceOrderGroup", 1),
];

const PERSON: Holds = Holds::Seq(&[
    one("LastName", NAME),
    one("FirstName", NAME),
    opt("MiddleName", NAME),
    opt("Suffix", Holds::Text(10)),
    opt("Prefix", Holds::Text(10)),
]);

const ADDRESS: Holds = Holds::Seq(&[
    one("AddressLine1", Holds::Text(40)),
    opt("AddressLine2", Holds::Text(40)),
    one("City", NAME),
    one("StateProvince", Holds::Like(|t| t.len() == 2)),
    one("PostalCode", Holds::Like(|t| digits(t, 5, 9))),
    one("CountryCode", Holds::Like(|t| t.len() == 2)),
]);

const PHONES: Holds = Holds::Seq(&[
    one(
        "PrimaryTelephone",
        Holds::Seq(&[
            one("Number", Holds::Like(|t| digits(t, 10, 10))),
            any("Extension", 1),
            any("SupportsSMS", 1),
        ]),
    ),
    any("Beeper", 9),
    any("ElectronicMail", 9),
    any("Fax", 9),
    any("HomeTelephone", 9),
    any("WorkTelephone", 9),
    any("OtherTelephone", 9),
    any("DirectAddress", 1),
]);

const fn patient(address: usize) -> [Part; 10] {
    [
        any("Identification", 1),
        one("Name", PERSON),
        any("FormerName", 1),
        one("Gender", Holds::OneOf(&["M", "F", "U"])),
        one("DateOfBirth", DAY),
        Part("Address", address, 1, ADDRESS),
        opt("CommunicationNumbers", PHONES),
        any("PatientLocation", 1),
        any("LanguageNameCode", 1),
        any("SubstanceUse", 1),
    ]
}

const ADDRESSED: Holds = Holds::Seq(&[one("HumanPatient", Holds::Seq(&patient(1)))]);
const NAMED: Holds = Holds::Seq(&[one("HumanPatient", Holds::Seq(&patient(0)))]);

const PRESCRIBER: Holds = Holds::Seq(&[one(
    "NonVeterinarian",
    Holds::Seq(&[
        one(
            "Identification",
            Holds::Seq(&[
                any("StateLicenseNumber", 1),
                any("MedicareNumber", 1),
                any("MedicaidNumber", 1),
                any("UPIN", 1),
                opt("DEANumber", NAME),
                any("HIN", 1),
                any("SocialSecurity", 1),
                one("NPI", Holds::Like(|t| digits(t, 10, 10))),
            ]),
        ),
        any("Specialty", 1),
        any("PracticeLocation", 1),
        one("Name", PERSON),
        any("FormerName", 1),
        one("Address", ADDRESS),
        any("PrescriberAgent", 1),
        one("CommunicationNumbers", PHONES),
        any("PrescriberPlaceOfService", 1),
    ]),
)]);

const PHARMACY: Holds = Holds::Seq(&[
    one(
        "Identification",
        Holds::Seq(&[
            one("NCPDPID", Holds::Like(|t| digits(t, 7, 7))),
            any("StateLicenseNumber", 1),
            opt("DEANumber", NAME),
            any("HIN", 1),
            one("NPI", Holds::Like(|t| digits(t, 10, 10))),
        ]),
    ),
    any("Specialty", 1),
    any("Pharmacist", 1),
    one("BusinessName", Holds::Text(70)),
    opt("Address", ADDRESS),
    one("CommunicationNumbers", PHONES),
]);

const CODED: Holds = Holds::Seq(&[
    opt(
        "ProductCode",
        Holds::Seq(&[one("Code", CODE), one("Qualifier", CODE)]),
    ),
    any("Strength", 1),
    opt(
        "DrugDBCode",
        Holds::Seq(&[
            one("Code", CODE),
            one("Qualifier", Holds::OneOf(&["SCD", "SBD", "GPK", "BPK"])),
        ]),
    ),
    opt("DEASchedule", Holds::Seq(&[one("Code", CODE)])),
]);

const QUANTITY: Holds = Holds::Seq(&[
    one("Value", Holds::Like(number)),
    one(
        "CodeListQualifier",
        Holds::OneOf(&["38", "40", "87", "QS", "CF", "UQ", "QT"]),
    ),
    one("QuantityUnitOfMeasure", Holds::Seq(&[one("Code", CODE)])),
]);

const SIG: Holds = Holds::Seq(&[one("SigText", Holds::Text(1000)), any("Instruction", 9)]);
const OTHER_DATE: Holds = Holds::Seq(&[
    one("OtherMedicationDate", DAY),
    one("OtherMedicationDateQualifier", NAME),
]);

const fn medication(refills: usize) -> [Part; 24] {
    [
        one("DrugDescription", Holds::Text(105)),
        opt("DrugCoded", CODED),
        one("Quantity", QUANTITY),
        opt("DaysSupply", Holds::Like(|t| digits(t, 1, 3))),
        one("WrittenDate", DAY),
        opt("LastFillDate", DAY),
        one("Substitutions", Holds::OneOf(&["0", "1"])),
        Part(
            "NumberOfRefills",
            refills,
            1,
            Holds::Like(|t| digits(t, 1, 2)),
        ),
        any("Diagnosis", 2),
        any("PriorAuthorization", 1),
        opt("Note", Holds::Text(210)),
        any("DrugUseEvaluation", 5),
        any("DrugCoverageStatusCode", 9),
        any("PriorAuthorizationStatus", 1),
        Part("Sig", refills, 1, SIG),
        any("DoNotFill", 1),
        any("PharmacyRequestedRefills", 1),
        any("OrderCaptureMethod", 1),
        any("RxFillIndicator", 1),
        any("PrescriberCheckedREMS", 1),
        any("REMSPatientRiskCategory", 1),
        Part("OtherMedicationDate", 0, 9, OTHER_DATE),
        any("NeedNoLaterThan", 1),
        any("TimeZone", 1),
    ]
}

const WITH_REFILLS: Holds = Holds::Seq(&medication(1));
const PERHAPS_REFILLS: Holds = Holds::Seq(&medication(0));

const RESULT: Holds = Holds::Seq(&[
    any("ReasonCode", 10),
    any("ReferenceNumber", 1),
    any("DenialReason", 1),
    opt("Note", Holds::Text(70)),
    any("ReasonCode", 1),
]);

const DESCRIBED: Holds = Holds::Seq(&[
    one("Code", Holds::Like(|t| digits(t, 3, 3))),
    any("DescriptionCode", 10),
    opt("Description", Holds::Text(70)),
]);

const BODY: &[Part] = &[
    one(
        "NewRx",
        Holds::Seq(&[
            any("MessageRequestCode", 1),
            any("ReturnReceipt", 1),
            any("RequestReferenceNumber", 1),
            any("UrgencyIndicatorCode", 1),
            any("AllergyOrAdverseEvent", 1),
            any("BenefitsCoordination", 4),
            any("Facility", 1),
            one("Patient", ADDRESSED),
            opt("Pharmacy", PHARMACY),
            one("Prescriber", PRESCRIBER),
            any("Observation", 1),
            one("MedicationPrescribed", WITH_REFILLS),
            opt("Supervisor", PRESCRIBER),
            any("ProhibitRenewalRequest", 1),
            any("FollowUpPrescriber", 1),
        ]),
    ),
    one(
        "CancelRx",
        Holds::Seq(&[
            opt("ChangeOfPrescriptionStatusFlag", Holds::OneOf(&["C", "D"])),
            any("Facility", 1),
            one("Patient", NAMED),
            opt("Pharmacy", PHARMACY),
            one("Prescriber", PRESCRIBER),
            one("MedicationPrescribed", WITH_REFILLS),
            opt("Supervisor", PRESCRIBER),
        ]),
    ),
    one(
        "CancelRxResponse",
        Holds::Seq(&[one(
            "Response",
            Holds::Choice(&[one("Approved", RESULT), one("Denied", RESULT)]),
        )]),
    ),
    one(
        "RxFill",
        Holds::Seq(&[
            any("Facility", 1),
            one(
                "FillStatus",
                Holds::Choice(&[
                    one("Dispensed", Holds::Any),
                    one("PartiallyDispensed", Holds::Any),
                    one("NotDispensed", Holds::Any),
                    one("Transferred", Holds::Any),
                ]),
            ),
            one("Patient", NAMED),
            one("Pharmacy", PHARMACY),
            one("Prescriber", PRESCRIBER),
            opt("MedicationDispensed", PERHAPS_REFILLS),
            opt("MedicationPrescribed", PERHAPS_REFILLS),
        ]),
    ),
    one("Status", DESCRIBED),
    one("Error", DESCRIBED),
    one("Verify", Holds::Seq(&[opt("VerifyStatus", DESCRIBED)])),
    one("RxRenewalRequest", Holds::Any),
    one("RxRenewalResponse", Holds::Any),
    one("RxChangeRequest", Holds::Any),
    one("RxChangeResponse", Holds::Any),
];

const WHOLE: Holds = Holds::Seq(&[
    one("Header", Holds::Seq(HEADER)),
    one("Body", Holds::Choice(BODY)),
]);

const VERSIONS: [&str; 6] = [
    "DatatypesVersion",
    "TransportVersion",
    "TransactionDomain",
    "TransactionVersion",
    "StructuresVersion",
    "ECLVersion",
];

/// What the schema has against a message: places and rules, never a text of it.
#[must_use]
pub fn violations(message: &Node) -> Vec<String> {
    let mut out = Vec::new();
    if message.name != "Message" {
        out.push("the root is not Message".to_owned());
    }
    for name in VERSIONS {
        if message.attribute(name).is_none() {
            out.push(format!("Message lacks {name}"));
        }
    }
    look(message, WHOLE, "Message", &mut out);
    for name in ["To", "From"] {
        let node = message.at("Header").and_then(|h| h.child(name));
        if node.is_some_and(|n| n.attribute("Qualifier").is_none()) {
            out.push(format!("Message/Header/{name} lacks its Qualifier"));
        }
    }
    out
}

fn look(node: &Node, holds: Holds, at: &str, out: &mut Vec<String>) {
    let text_fits = |fits: bool| fits && node.children.is_empty();
    let fine = match holds {
        Holds::Any => true,
        Holds::Text(max) => text_fits((1..=max).contains(&node.text.chars().count())),
        Holds::Like(passes) => text_fits(passes(&node.text)),
        Holds::OneOf(codes) => text_fits(codes.contains(&node.text.as_str())),
        Holds::Seq(parts) => return sequence(node, parts, at, out),
        Holds::Choice(parts) => {
            let part = parts
                .iter()
                .find(|p| node.children.len() == 1 && p.0 == node.children[0].name);
            if let Some(part) = part {
                look(&node.children[0], part.3, &format!("{at}/{}", part.0), out);
            }
            part.is_some()
        }
    };
    if !fine {
        out.push(format!("{at}: does not hold what it may"));
    }
}

fn sequence(node: &Node, parts: &[Part], at: &str, out: &mut Vec<String>) {
    if !node.text.is_empty() {
        out.push(format!("{at}: text among its elements"));
    }
    let mut rest = node.children.iter().peekable();
    for Part(name, min, max, holds) in parts {
        let mut count = 0;
        while count < *max
            && let Some(child) = rest.next_if(|c| c.name == *name)
        {
            look(child, *holds, &format!("{at}/{name}"), out);
            count += 1;
        }
        if count < *min {
            out.push(format!("{at}/{name}: is not where it must be"));
        }
    }
    if let Some(child) = rest.next() {
        let known = parts.iter().any(|p| p.0 == child.name);
        let name = if known { child.name.as_str() } else { "?" };
        out.push(format!("{at}/{name}: unknown, too often or out of order"));
    }
}
