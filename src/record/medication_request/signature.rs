//! What a prescriber signs, and its hash (21 CFR 1306.05(a); contracts section 8).
//!
//! The signed content is a JSON object of strings: `written_date`; `patient` (`name`, `address`);
//! `drug` (`name`, `strength`, `form`, `rxcui`, `ndc`); `quantity`, `quantity_unit`, `directions`,
//! `refills`, `earliest_fill_date`; `prescriber` (`name`, `address`, `dea_no`); `pharmacy` (`name`,
//! `ncpdp_id`). Names are `first middle last suffix`, addresses `line1, line2, city, state, zip`, what is
//! absent left out. A field that the record lacks is left out. Decimals stand in plain form without
//! trailing zeros. Its hash is SHA-256, hex, over RFC 8785 JSON: since all keys are plain ASCII and
//! all values strings, that is the compact form with the keys of each object sorted.
//!
//! `written_date` is the signing moment as it was written, cut to its date: no time zone is asked, so
//! that the hash does not depend on where it is computed.

use serde_json::{Map, Value};

use super::{MedicationRequest, Signed};
use crate::ids::Hash;
use crate::record::Context;
use crate::record::party::{Address, PersonName};

impl MedicationRequest {
    /// The fields that 21 CFR 1306.05(a) names, and what else the prescriber's signature covers, as
    /// strings. Patient, prescriber and pharmacy come from the context.
    #[must_use]
    pub fn signed_content(&self, context: &Context) -> Value {
        let mut all = Map::new();
        put(&mut all, "written_date", self.written_date());
        let mut patient = Map::new();
        if let Some(client) = &context.client {
            put(&mut patient, "name", Some(name(&client.name)));
            put(
                &mut patient,
                "address",
                client.address.as_ref().map(address),
            );
        }
        nest(&mut all, "patient", patient);
        nest(&mut all, "drug", self.signed_drug());
        self.put_quantity(&mut all);
        let mut prescriber = Map::new();
        if let Some(staff) = &context.prescriber {
            put(&mut prescriber, "name", Some(name(&staff.name)));
            put(
                &mut prescriber,
                "address",
                staff.address.as_ref().map(address),
            );
        }
        let dea = self.epcs.as_ref().map(|e| e.dea_no.clone()).or_else(|| {
            context
                .prescriber
                .as_ref()
                .and_then(|staff| staff.dea_no.clone())
        });
        put(&mut prescriber, "dea_no", dea);
        nest(&mut all, "prescriber", prescriber);
        if self.pharmacy_id.is_some()
            && let Some(pharmacy) = &context.pharmacy
        {
            let mut place = Map::new();
            put(&mut place, "name", Some(pharmacy.name.clone()));
            put(&mut place, "ncpdp_id", Some(pharmacy.ncpdp_id.clone()));
            nest(&mut all, "pharmacy", place);
        }
        Value::Object(all)
    }

    /// SHA-256, lower-case hex, over the canonical signed content.
    #[must_use]
    pub fn signature_hash(&self, context: &Context) -> String {
        Hash::sha256(canonical(&self.signed_content(context)).as_bytes()).hex()
    }

    /// What of the record itself a pharmacy is told: two versions with the same key need no new
    /// message (contracts section 8). Says nothing of how the order stands, see
    /// [`MedicationRequest::standing_key`].
    #[must_use]
    pub fn content_key(&self) -> String {
        let mut all = Map::new();
        put(&mut all, "written_date", self.written_date());
        nest(&mut all, "drug", self.signed_drug());
        self.put_quantity(&mut all);
        put(&mut all, "prescriber", self.prescriber_staff_id.clone());
        put(&mut all, "supervisor", self.supervising_id.clone());
        put(&mut all, "pharmacy", self.pharmacy_id.clone());
        put(
            &mut all,
            "days_supply",
            self.days_supply.map(|n| n.to_string()),
        );
        put(
            &mut all,
            "expires_on",
            self.expires_on.map(|d| d.to_string()),
        );
        put(
            &mut all,
            "substitute_ok",
            self.substitute_ok.map(|s| s.as_str().to_owned()),
        );
        put(
            &mut all,
            "dispense_limit",
            self.dispense_limit.map(|s| s.as_str().to_owned()),
        );
        put(&mut all, "note", self.pharmacy_note.clone());
        put(
            &mut all,
            "delivery",
            Some(self.delivery.as_str().to_owned()),
        );
        Hash::sha256(canonical(&Value::Object(all)).as_bytes()).hex()
    }

    fn written_date(&self) -> Option<String> {
        self.signed().map(|signed| match signed {
            Signed::At(instant) => instant.text().chars().take(10).collect(),
            Signed::On(date) => date.to_string(),
        })
    }

    fn signed_drug(&self) -> Map<String, Value> {
        let mut drug = Map::new();
        put(&mut drug, "name", Some(self.drug.label.clone()));
        put(&mut drug, "strength", self.drug.strength_text.clone());
        put(&mut drug, "form", self.drug.form.clone());
        put(&mut drug, "rxcui", self.drug.rxcui.clone());
        put(&mut drug, "ndc", self.drug.ndc.clone());
        drug
    }

    fn put_quantity(&self, all: &mut Map<String, Value>) {
        put(all, "quantity", self.qty.as_ref().map(|q| q.plain()));
        put(
            all,
            "quantity_unit",
            self.qty_unit.map(|u| u.as_str().to_owned()),
        );
        put(all, "directions", self.sig_text.clone());
        put(all, "refills", self.refills.map(|n| n.to_string()));
        put(
            all,
            "earliest_fill_date",
            self.earliest_fill_date.map(|d| d.to_string()),
        );
    }
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<String>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), Value::String(value));
    }
}

fn nest(map: &mut Map<String, Value>, key: &str, inner: Map<String, Value>) {
    if !inner.is_empty() {
        map.insert(key.to_owned(), Value::Object(inner));
    }
}

fn name(name: &PersonName) -> String {
    [
        Some(name.first.as_str()),
        name.middle.as_deref(),
        Some(name.last.as_str()),
        name.suffix.as_deref(),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ")
}

fn address(address: &Address) -> String {
    [
        Some(address.line1.as_str()),
        address.line2.as_deref(),
        Some(address.city.as_str()),
        Some(address.state.as_str()),
        Some(address.postal_code.as_str()),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}

/// RFC 8785 for objects of strings with ASCII keys: keys sorted, nothing between, strings escaped as
/// JSON asks and no further.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            let inner: Vec<String> = entries
                .into_iter()
                .map(|(k, v)| format!("{}:{}", Value::String(k.clone()), canonical(v)))
                .collect();
            format!("{{{}}}", inner.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_is_sorted_and_compact() {
        let value = serde_json::json!({"b": "x\u{1}\"é/", "a": {"z": "1", "y": "2"}});
        assert_eq!(
            canonical(&value),
            "{\"a\":{\"y\":\"2\",\"z\":\"1\"},\"b\":\"x\\u0001\\\"é/\"}"
        );
    }
}
