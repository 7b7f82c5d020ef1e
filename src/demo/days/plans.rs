//! The plans of the play: written on Tuesday, then a weekly review each, with attendees and decisions.

use serde_json::{Value, json};

use super::{FIRST, LAST, Writer};
use crate::record::Kind;

const PLAN: Kind = Kind::CarePlan;

/// Plans that are reviewed: the template and who sits in the review.
const REVIEWED: [(&str, &[&str]); 5] = [
    ("full-opioid", &["S-01", "S-03", "S-04"]),
    ("alcohol-under-review", &["S-02", "S-05"]),
    ("taper-family-revoked", &["S-07", "S-03"]),
    ("depression", &["S-01", "S-03"]),
    ("bipolar-lithium", &["S-07", "S-04"]),
];

const DECIDED: [&str; 4] = [
    "Go on as planned.",
    "Screens once a week.",
    "Look at step-down in four weeks.",
    "Offer a family session.",
];

impl Writer<'_> {
    pub(super) fn plans(&mut self) {
        for (template, attendees) in REVIEWED {
            let mut plan = self.cast.get(PLAN, template);
            if let Some(fields) = plan.as_object_mut() {
                fields.shift_remove("reviews");
            }
            self.accept(FIRST, PLAN, plan.clone());
            for day in FIRST + 1..=LAST {
                // The weeks behind us, the last one today.
                let weeks = i32::try_from(LAST - day).unwrap_or(0);
                let review = self.review(-7 * weeks, attendees);
                match plan["reviews"].as_array_mut() {
                    Some(reviews) => reviews.push(review),
                    None => plan["reviews"] = json!([review]),
                }
                let goals = plan["goals"].as_array().map_or(0, Vec::len);
                if goals > 0 {
                    let goal = self.random.usize(0..goals);
                    plan["goals"][goal]["progress"] = json!(self.random.u8(0..=4));
                }
                self.accept(day, PLAN, plan.clone());
            }
        }
        let simple = self.cast.get(PLAN, "anxiety-therapy-only");
        self.accept(FIRST, PLAN, simple.clone());
        let mut closed = simple;
        closed["status"] = json!("closed");
        self.accept(LAST, PLAN, closed);
        let draft = self.cast.get(PLAN, "draft-minimal");
        self.accept(FIRST, PLAN, draft.clone());
        let mut mistake = draft;
        mistake["status"] = json!("error");
        self.accept(5, PLAN, mistake);
        self.refused_plans();
    }

    fn review(&mut self, days: i32, attendees: &[&str]) -> Value {
        let decided = self.random.choice(DECIDED).unwrap_or(DECIDED[0]);
        json!({
            "date": self.date(days),
            "meeting": "weekly team",
            "attendees": attendees,
            "client_present": self.random.bool(),
            "decisions": [{"text": decided, "by_staff_id": attendees[0]}],
        })
    }

    fn refused_plans(&mut self) {
        let mut family = self.cast.get(PLAN, "taper-family-revoked");
        family["plan_id"] = json!("P-900");
        family["family"]["involved"] = json!(true);
        self.refuse(4, PLAN, family, "family-consent");
        let mut missed = self.cast.get(PLAN, "full-opioid");
        missed["plan_id"] = json!("P-901");
        if let Some(step) = missed["interventions"][4].as_object_mut() {
            step.shift_remove("missed_reason");
        }
        self.refuse(6, PLAN, missed, "missed-reason");
    }
}
