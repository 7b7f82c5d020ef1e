//! HumanName, Address, ContactPoint and the identifiers that authorities give, both ways.

use serde_json::Value;

use super::{Address, PersonName};
use crate::record::reading::{Fields, Reading};
use crate::record::writing::Writing;

/// DEA registration numbers (HL7 terminology, NamingSystem USDEANumber).
pub const DEA: &str = "urn:oid:2.16.840.1.113883.4.814";
/// NCPDP provider ids (HL7 terminology, NamingSystem NCPDPProviderIdentificationNumber).
pub const NCPDP: &str = "http://terminology.hl7.org/CodeSystem/NCPDPProviderIdentificationNumber";
/// CLIA numbers (US Core Organization).
pub const CLIA: &str = "urn:oid:2.16.840.1.113883.4.7";

/// Writes a name at `element` from the fields below `from`.
pub fn write_name(w: &mut Writing<'_>, element: &str, from: &str, name: &PersonName) {
    let at = |rest: &str| format!("{element}.{rest}");
    let of = |rest: &str| format!("{from}/{rest}");
    w.fixed(&at("use"), "official");
    w.set(&at("family"), &of("last"), name.last.as_str());
    w.set(&at("given[0]"), &of("first"), name.first.as_str());
    w.set_some(&at("given[1]"), &of("middle"), name.middle.as_deref());
    w.set_some(&at("prefix[0]"), &of("prefix"), name.prefix.as_deref());
    w.set_some(&at("suffix[0]"), &of("suffix"), name.suffix.as_deref());
}

/// Takes the official name of a list of names, else the first.
pub fn read_name(r: &mut Reading, list: &str) -> Option<Value> {
    let official = r
        .peek(list)?
        .as_array()?
        .iter()
        .position(|n| n["use"] == "official")
        .unwrap_or(0);
    let at = |rest: &str| format!("{list}/{official}/{rest}");
    r.exactly(&at("use"), "official");
    let mut name = Fields::default();
    for (field, element) in [
        ("last", "family"),
        ("first", "given/0"),
        ("middle", "given/1"),
        ("prefix", "prefix/0"),
        ("suffix", "suffix/0"),
    ] {
        name.put(field, r.text(&at(element)));
    }
    (!name.is_empty()).then(|| name.done())
}

/// Writes an address at `element` from the fields below `from`.
pub fn write_address(w: &mut Writing<'_>, element: &str, from: &str, address: &Address) {
    let at = |rest: &str| format!("{element}.{rest}");
    let of = |rest: &str| format!("{from}/{rest}");
    w.set(&at("line[0]"), &of("line1"), address.line1.as_str());
    w.set_some(&at("line[1]"), &of("line2"), address.line2.as_deref());
    w.set(&at("city"), &of("city"), address.city.as_str());
    w.set(&at("state"), &of("state"), address.state.as_str());
    w.set(
        &at("postalCode"),
        &of("postal_code"),
        address.postal_code.as_str(),
    );
    w.fixed(&at("country"), "US");
}

/// Takes the first address of a list.
pub fn read_address(r: &mut Reading, list: &str) -> Option<Value> {
    let at = |rest: &str| format!("{list}/0/{rest}");
    if !r.exactly(&at("country"), "US") {
        r.exactly(&at("country"), "USA");
    }
    let mut address = Fields::default();
    for (field, element) in [
        ("line1", "line/0"),
        ("line2", "line/1"),
        ("city", "city"),
        ("state", "state"),
        ("postal_code", "postalCode"),
    ] {
        address.put(field, r.text(&at(element)));
    }
    (!address.is_empty()).then(|| address.done())
}

/// Adds a telephone to a list of contact points.
pub fn write_phone(w: &mut Writing<'_>, list: &str, from: &str, phone: Option<&str>) {
    if let Some(phone) = phone {
        let element = format!("{list}[{}]", w.count(list));
        w.fixed(&format!("{element}.system"), "phone");
        w.set(&format!("{element}.value"), from, phone);
    }
}

/// Takes the first contact point of a system (`phone`, `email`). A telephone becomes its 10 digits;
/// what has another number of digits is left.
pub fn read_phone(r: &mut Reading, list: &str, system: &str) -> Option<String> {
    let (at, value) = r
        .peek(list)?
        .as_array()?
        .iter()
        .enumerate()
        .filter(|(_, t)| t["system"] == system)
        .find_map(|(i, t)| Some((i, usable(system, t["value"].as_str()?)?)))?;
    for element in ["system", "value"] {
        r.take(&format!("{list}/{at}/{element}"));
    }
    Some(value)
}

fn usable(system: &str, value: &str) -> Option<String> {
    if system != "phone" {
        return Some(value.to_owned());
    }
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let ten = match digits.len() {
        11 => digits.strip_prefix('1')?.to_owned(),
        _ => digits,
    };
    (ten.len() == 10).then_some(ten)
}

/// Adds an identifier that an authority gave. Its system says what it is.
pub fn write_identifier(w: &mut Writing<'_>, system: &str, from: &str, value: Option<&str>) {
    if let Some(value) = value {
        let element = format!("identifier[{}]", w.count("identifier"));
        w.fixed(&format!("{element}.system"), system);
        w.set(&format!("{element}.value"), from, value);
    }
}

/// Takes the identifier of a system.
pub fn read_identifier(r: &mut Reading, system: &str) -> Option<String> {
    let at = r
        .peek("/identifier")?
        .as_array()?
        .iter()
        .position(|i| i["system"] == system)?;
    let value = r.text(&format!("/identifier/{at}/value"))?;
    r.take(&format!("/identifier/{at}"));
    Some(value)
}
