//! The record, typed. The contract is `schema.json`; what it lets through, this reads.

use serde::{Deserialize, Serialize};

use crate::clock::Date;
use crate::issue::Issue;
use crate::record::staff::StaffRole;
use crate::record::{Context, Kind, Link, MapEnv, Mapped, Mapping, Role};

/// Where a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// Being written.
    Draft,
    /// It is what is done.
    InForce,
    /// In force, and being looked at anew.
    UnderReview,
    /// Another plan took its place.
    Superseded,
    /// Done with.
    Closed,
    /// Written by mistake.
    Error,
}

/// A problem of the evaluation that the plan is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanProblem {
    /// Its number in the evaluation.
    pub no: u32,
}

/// Where a phase stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseState {
    /// To come.
    Planned,
    /// The one the client is in.
    Current,
    /// Behind them.
    Done,
}

/// A phase of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name within the plan.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Where it stands.
    pub state: PhaseState,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Date>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Date>,
    /// When the next one may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_when: Option<String>,
}

/// Where a goal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalStatus {
    /// Talked about.
    Proposed,
    /// Worked on.
    Active,
    /// Rests.
    OnHold,
    /// Reached.
    Achieved,
    /// Given up.
    Dropped,
    /// Written by mistake.
    Error,
}

/// What the client wants to reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// Its name within the plan.
    pub id: String,
    /// In the client's words.
    pub text: String,
    /// Where it stands.
    pub status: GoalStatus,
    /// How it is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// Where it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// What is to be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_date: Option<Date>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Date>,
    /// How far, 0 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// Problems of the evaluation that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<u32>,
}

/// What sort of thing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterventionKind {
    /// Individual session.
    Individual,
    /// Group session.
    Group,
    /// Family session.
    FamilySession,
    /// Education.
    Education,
    /// Medication review.
    MedReview,
    /// Medication: the linked order.
    Medication,
    /// Urine drug screen.
    Uds,
    /// Laboratory.
    Lab,
    /// Case management.
    CaseMgmt,
    /// Appointment after the programme.
    AftercareAppt,
    /// Something else, named in the text.
    Other,
}

/// Where an intervention stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterventionState {
    /// To come.
    Planned,
    /// Has its date.
    Scheduled,
    /// Goes on.
    Ongoing,
    /// Rests.
    OnHold,
    /// Done.
    Done,
    /// Did not happen, and why.
    Missed,
    /// Called off.
    Cancelled,
    /// Ended before its end.
    Stopped,
    /// Written by mistake.
    Error,
}

/// Something that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervention {
    /// Its name within the plan.
    pub id: String,
    /// What sort.
    pub kind: InterventionKind,
    /// What exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How often: `3x/week`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freq_text: Option<String>,
    /// Whose task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible_role: Option<StaffRole>,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Date>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Date>,
    /// Where it stands; absent where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<InterventionState>,
    /// Why it did not happen, was called off or stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_reason: Option<String>,
    /// The order that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_order_no: Option<String>,
    /// The phase it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The goals it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<String>,
}

/// What a review decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDecision {
    /// In words.
    pub text: String,
    /// Who decided.
    pub by_staff_id: String,
}

/// A meeting about the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// The day.
    pub date: Date,
    /// Which: `weekly team`.
    pub meeting: String,
    /// Staff who were there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attendees: Vec<String>,
    /// Whether the client was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_present: Option<bool>,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<PlanDecision>,
    /// Orders that were changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub med_changes: Vec<String>,
}

/// A member of the team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamMember {
    /// Who.
    pub staff_id: String,
    /// As what.
    pub role: StaffRole,
    /// Whether they lead.
    pub lead: bool,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Date>,
}

/// The family's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Whether they take part.
    pub involved: bool,
    /// The client's consent to it: it names the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_id: Option<String>,
    /// How many sessions so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
}

/// What comes after the programme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aftercare {
    /// Who goes on.
    pub provider: String,
    /// First appointment there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_appt: Option<Date>,
    /// Orders that go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meds_continuing: Vec<String>,
    /// What to do in a relapse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relapse_plan: Option<String>,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarePlan {
    /// The clinic's id.
    pub plan_id: String,
    /// Version, from 1.
    pub rev: u64,
    /// The stay it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub episode_id: Option<String>,
    /// The client, where no episode says it (what an EHR tells us).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_no: Option<String>,
    /// The evaluation that its problems are numbered in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_id: Option<String>,
    /// Where it stands.
    pub status: PlanStatus,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The assessment that it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment_text: Option<String>,
    /// Written on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_on: Option<Date>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_staff_id: Option<String>,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Date>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Date>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<PlanProblem>,
    /// Its phases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// What the client wants to reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<Goal>,
    /// What is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// Meetings about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<Review>,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub team: Vec<TeamMember>,
    /// The family's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// What comes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aftercare: Option<Aftercare>,
    /// The client signed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by_client_on: Option<Date>,
    /// The client did not want to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined_to_sign: Option<bool>,
}

impl Mapping for CarePlan {
    const KIND: Kind = Kind::CarePlan;

    fn id(&self) -> &str {
        &self.plan_id
    }

    fn version(&self) -> u64 {
        self.rev
    }

    fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        let mut link = |kind, role, id: &str, pointer: String| {
            links.push(Link {
                kind,
                id: id.to_owned(),
                pointer,
                role,
            });
        };
        for (kind, role, id, pointer) in [
            (Kind::Client, Role::Client, &self.client_no, "/client_no"),
            (
                Kind::Episode,
                Role::Episode,
                &self.episode_id,
                "/episode_id",
            ),
            (
                Kind::Evaluation,
                Role::Evaluation,
                &self.evaluation_id,
                "/evaluation_id",
            ),
            (
                Kind::Staff,
                Role::Staff,
                &self.author_staff_id,
                "/author_staff_id",
            ),
        ] {
            if let Some(id) = id {
                link(kind, role, id, pointer.to_owned());
            }
        }
        for (i, step) in self.interventions.iter().enumerate() {
            if let Some(order) = &step.linked_order_no {
                let pointer = format!("/interventions/{i}/linked_order_no");
                link(Kind::MedicationRequest, Role::Order, order, pointer);
            }
        }
        for (i, review) in self.reviews.iter().enumerate() {
            for (j, staff) in review.attendees.iter().enumerate() {
                let pointer = format!("/reviews/{i}/attendees/{j}");
                link(Kind::Staff, Role::Staff, staff, pointer);
            }
            for (j, decision) in review.decisions.iter().enumerate() {
                let pointer = format!("/reviews/{i}/decisions/{j}/by_staff_id");
                link(Kind::Staff, Role::Staff, &decision.by_staff_id, pointer);
            }
            for (j, order) in review.med_changes.iter().enumerate() {
                let pointer = format!("/reviews/{i}/med_changes/{j}");
                link(Kind::MedicationRequest, Role::Order, order, pointer);
            }
        }
        for (i, member) in self.team.iter().enumerate() {
            link(
                Kind::Staff,
                Role::Staff,
                &member.staff_id,
                format!("/team/{i}/staff_id"),
            );
        }
        if let Some(consent) = self.family.as_ref().and_then(|f| f.consent_id.as_ref()) {
            link(
                Kind::Consent,
                Role::Consent,
                consent,
                "/family/consent_id".to_owned(),
            );
        }
        for (j, order) in self
            .aftercare
            .iter()
            .flat_map(|a| &a.meds_continuing)
            .enumerate()
        {
            let pointer = format!("/aftercare/meds_continuing/{j}");
            link(Kind::MedicationRequest, Role::Order, order, pointer);
        }
        links
    }

    fn entered_in_error(&self) -> bool {
        self.status == PlanStatus::Error
    }

    fn rules(&self, context: &Context, env: &MapEnv) -> Vec<Issue> {
        super::rules::rules(self, context, env)
    }

    fn to_fhir(&self, context: &Context, env: &MapEnv) -> Mapped {
        super::to_fhir::to_fhir(self, context, env)
    }
}
