//! The orders of the play: signed, changed, held, cancelled, declined, tapered, and a few that no
//! prescriber may sign.

use anyhow::bail;
use serde_json::{Value, json};

use super::{FIRST, Writer};
use crate::record::{Kind, Record, exchange};

/// The pharmacy that the gateway is connected to.
pub const PHARMACY: &str = "PH-01";

const ORDER: Kind = Kind::MedicationRequest;

impl Writer<'_> {
    pub(super) fn orders(&mut self) -> anyhow::Result<()> {
        self.signed_on_tuesday()?;
        self.not_for_a_pharmacy();
        self.wednesday()?;
        self.thursday()?;
        self.friday()?;
        self.saturday()?;
        self.broken_rules()
    }

    /// An order of the cast.
    fn order(&self, template: &str) -> Value {
        self.cast.get(ORDER, template)
    }

    /// An order of the cast as a signed prescription for the pharmacy.
    fn prescription(&self, template: &str, day: usize, minute: i64) -> anyhow::Result<Value> {
        let mut order = self.order(template);
        for field in ["state_reason", "history", "stop_date", "signed_on"] {
            remove(&mut order, field);
        }
        order["state"] = json!("signed");
        order["pharmacy_id"] = json!(PHARMACY);
        order["start_date"] = json!(self.date(0));
        self.sign(&mut order, day, minute)?;
        Ok(order)
    }

    /// Signs: the moment, and for a controlled drug the hash of what is signed.
    fn sign(&self, order: &mut Value, day: usize, minute: i64) -> anyhow::Result<()> {
        let moment = self.moment(day, minute);
        if order["epcs"].is_object() {
            order["epcs"]["signed_at"] = json!(moment);
            order["pdmp_checked_on"] = json!(moment.get(..10));
            order["epcs"]["signature_hash"] = json!(self.hash(order)?);
        } else {
            order["signed_at"] = json!(moment);
        }
        Ok(())
    }

    /// The hash over what the prescriber signs (21 CFR 1306.05(a)).
    fn hash(&self, order: &Value) -> anyhow::Result<String> {
        let named = |kind: Kind, field: &str| {
            let name = order[field].as_str().unwrap_or_default();
            self.cast.get(kind, name)
        };
        let episode = named(Kind::Episode, "episode_id");
        let client = self.cast.client_of(order).unwrap_or_default();
        let mut order = order.clone();
        order["version"] = json!(1);
        let whole = json!({
            "record": order,
            "context": {
                "client": self.cast.get(Kind::Client, &client),
                "prescriber": named(Kind::Staff, "prescriber_staff_id"),
                "pharmacy": named(Kind::Pharmacy, "pharmacy_id"),
                "episode": episode,
            },
        });
        match exchange::read(ORDER, &whole) {
            Ok((Record::MedicationRequest(order), context)) => Ok(order.signature_hash(&context)),
            Ok(_) => bail!("a template is no order"),
            Err(issues) => bail!("a template of the demo is wrong: {issues:?}"),
        }
    }

    fn signed_on_tuesday(&mut self) -> anyhow::Result<()> {
        for (n, template) in [
            "buprenorphine-naloxone-weekly",
            "sertraline-solution",
            "lorazepam-prn",
            "clonazepam-taper",
            "sertraline",
            "alprazolam-np-supervised",
            "lithium",
            "quetiapine-on-hold",
            // No consent covers anybody yet: it waits for one.
            "risperidone-entered-in-error",
        ]
        .into_iter()
        .enumerate()
        {
            let minute = i64::try_from(n).unwrap_or(0);
            let order = self.prescription(template, FIRST, minute)?;
            self.accept(FIRST, ORDER, order);
        }
        // A pharmacy wants the client's address: the order goes once the clinic has it.
        let order = self.prescription("fluoxetine-discontinued", FIRST, 8)?;
        self.refuse(FIRST, ORDER, order.clone(), "script-required");
        let mut client = self.cast.get(Kind::Client, "C-1011");
        client["address"] = self.cast.get(Kind::Client, "C-1010")["address"].clone();
        self.accept(FIRST, Kind::Client, client);
        self.accept(FIRST, ORDER, order);
        Ok(())
    }

    /// Proposed, declined, given by the clinic or a treatment programme, told by the client.
    fn not_for_a_pharmacy(&mut self) {
        for template in [
            "acamprosate-considering",
            "buprenorphine-proposed",
            "hydroxyzine-home-reported",
            "methadone-otp",
            "divalproex-completed",
        ] {
            let mut order = self.order(template);
            remove(&mut order, "history");
            self.accept(FIRST, ORDER, order);
        }
        let mut kit = self.order("naloxone-clinic-dispensed");
        kit["signed_at"] = json!(self.moment(FIRST, 20));
        self.accept(FIRST, ORDER, kit);
        let declined = self.order("naltrexone-declined");
        let mut proposed = declined.clone();
        remove(&mut proposed, "decline");
        proposed["state"] = json!("proposed");
        self.accept(FIRST, ORDER, proposed);
        self.accept(3, ORDER, declined);
        let signed = self.order("naltrexone-injection");
        let mut proposed = signed.clone();
        remove(&mut proposed, "signed_at");
        proposed["state"] = json!("proposed");
        self.accept(FIRST, ORDER, proposed);
        self.accept(3, ORDER, signed);
    }

    fn wednesday(&mut self) -> anyhow::Result<()> {
        // The dose goes up after the first prescription was sent: cancel, approval, a new one.
        let mut more = self.prescription("sertraline", 3, 5)?;
        more["dose_amount"] = json!(2);
        more["qty"] = json!(60);
        more["sig_text"] = json!("Take 2 tablets by mouth once a day, in the morning with food.");
        self.accept(3, ORDER, more);
        // Signed for a pharmacy, but the consent names the EHR only.
        let mut signed = self.order("buprenorphine-proposed");
        remove(&mut signed, "note");
        let full = self.order("buprenorphine-naloxone-weekly");
        for field in ["days_supply", "substitute_ok"] {
            signed[field] = full[field].clone();
        }
        signed["qty"] = json!(56);
        signed["qty_unit"] = json!("tablet");
        signed["refills"] = json!(0);
        signed["sig_text"] = json!("Dissolve 1 tablet under the tongue twice a day.");
        signed["pharmacy_id"] = json!(PHARMACY);
        signed["state"] = json!("signed");
        signed["epcs"] = full["epcs"].clone();
        signed["epcs"]["dea_no"] = self.cast.get(Kind::Staff, "S-07")["dea_no"].clone();
        self.sign(&mut signed, 3, 7)?;
        self.accept(3, ORDER, signed);
        Ok(())
    }

    fn thursday(&mut self) -> anyhow::Result<()> {
        // Signed while the pharmacy is down, and taken back before it could leave.
        let signed = self.prescription("olanzapine-cancelled", 4, 5)?;
        let mut cancelled = signed.clone();
        cancelled["state"] = json!("cancelled");
        cancelled["state_reason"] = json!({"code": "client_choice"});
        self.accept(4, ORDER, signed);
        self.accept(4, ORDER, cancelled);
        let waits = self.prescription("schedule-five", 4, 8)?;
        self.accept(4, ORDER, waits);
        // Was sent; its cancel waits for the pharmacy.
        let mut stopped = self.prescription("fluoxetine-discontinued", FIRST, 8)?;
        stopped["state"] = json!("discontinued");
        stopped["stop_date"] = json!(self.date(0));
        stopped["state_reason"] =
            json!({"code": "side_effects", "text": "Restless, did not sleep."});
        self.accept(4, ORDER, stopped);
        Ok(())
    }

    fn friday(&mut self) -> anyhow::Result<()> {
        // A pharmacy knows no hold: it is taken back there, the EHR shows it on hold.
        let mut held = self.prescription("quetiapine-on-hold", FIRST, 7)?;
        held["state"] = json!("on_hold");
        held["state_reason"] = json!({"code": "level_too_high", "text": "Wait for the ECG."});
        self.accept(5, ORDER, held);
        let mut thinking = self.order("acamprosate-considering");
        remove(&mut thinking, "history");
        thinking["state"] = json!("declined");
        thinking["decline"] = json!({
            "by_client": true, "reason_code": "beliefs", "education_given": true, "date": self.date(0),
        });
        self.accept(5, ORDER, thinking);
        Ok(())
    }

    fn saturday(&mut self) -> anyhow::Result<()> {
        let goes_on = self.prescription("quetiapine-on-hold", 6, 3)?;
        self.accept(6, ORDER, goes_on);
        // Nothing that a pharmacy hears of has changed: no message.
        let mut noted = self.prescription("lithium", FIRST, 6)?;
        noted["note"] = json!("Level was fine.");
        self.accept(6, ORDER, noted);
        let mut mistake = self.prescription("risperidone-entered-in-error", FIRST, 9)?;
        mistake["state"] = json!("error");
        mistake["state_reason"] = json!({"code": "mistake", "text": "Meant for another chart."});
        self.accept(6, ORDER, mistake);
        // A drug without a known code whose text names a controlled one: a person has to look.
        let mut odd = self.prescription("lithium", 6, 4)?;
        odd["order_no"] = json!("RX-2026-00130");
        for field in ["evaluation_id", "problem_no", "note", "review_due"] {
            remove(&mut odd, field);
        }
        odd["drug"] = json!({
            "local_code": "COMP-7", "label": "lorazepam 2 mg compounded capsule",
            "strength_text": "2 mg", "form": "capsule", "route": "oral", "schedule": "NC",
        });
        odd["class"] = json!("anxiolytic");
        odd["sig_text"] = json!("Take 1 capsule twice a day.");
        self.accept(6, ORDER, odd);
        Ok(())
    }

    /// What no prescriber may sign, and what no schema lets in.
    fn broken_rules(&mut self) -> anyhow::Result<()> {
        let sign = "buprenorphine-naloxone-weekly";
        let fresh = |mut order: Value, n: usize| {
            order["order_no"] = json!(format!("RX-2026-009{n:02}"));
            order
        };
        let mut other = self.prescription(sign, FIRST, 11)?;
        other["qty"] = json!(112);
        self.refuse(FIRST, ORDER, fresh(other, 1), "epcs-hash");
        let mut refills = self.prescription("clonazepam-taper", FIRST, 12)?;
        refills["refills"] = json!(6);
        refills["epcs"]["signature_hash"] = json!(self.hash(&refills)?);
        self.refuse(FIRST, ORDER, fresh(refills, 2), "refills-schedule");
        let mut unsigned = self.prescription(sign, 3, 13)?;
        unsigned["signed_at"] = unsigned["epcs"]["signed_at"].clone();
        remove(&mut unsigned, "epcs");
        self.refuse(3, ORDER, fresh(unsigned, 3), "epcs-missing");
        let mut retail = self.order("methadone-otp");
        retail["delivery"] = json!("pharmacy");
        retail["pharmacy_id"] = json!(PHARMACY);
        self.refuse(3, ORDER, fresh(retail, 4), "methadone-otp");
        let mut schedule = self.prescription("sertraline", 4, 14)?;
        schedule["drug"]["schedule"] = json!("4");
        self.refuse(4, ORDER, fresh(schedule, 5), "schedule-table");
        let mut quantity = self.prescription("sertraline", 5, 14)?;
        quantity["qty"] = json!(90);
        self.refuse(5, ORDER, fresh(quantity, 6), "quantity-days-supply");
        let mut state = self.order("sertraline");
        state["state"] = json!("almost_signed");
        self.refuse(5, ORDER, fresh(state, 7), "schema-enum");
        let mut steps = self.prescription("clonazepam-taper", 6, 15)?;
        steps["taper_steps"][1]["day_from"] = json!(3);
        self.refuse(6, ORDER, fresh(steps, 8), "taper-order");
        Ok(())
    }
}

fn remove(record: &mut Value, field: &str) {
    if let Some(fields) = record.as_object_mut() {
        fields.shift_remove(field);
    }
}
