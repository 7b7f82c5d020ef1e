//! The personal plan (domain.md section 7, care_plan): what a client wants to reach in the programme,
//! what is done for it, who does it, and what the weekly reviews made of it.
//!
//! | field | FHIR |
//! |---|---|
//! | `plan_id`, `rev` | `CarePlan.identifier`, extension `record-version` |
//! | `episode_id`, `evaluation_id` | `supportingInfo` (EpisodeOfCare, ClinicalImpression) |
//! | `client_no` | `subject` (else the episode's client) |
//! | `status` | `status`, exactly in extension `care-plan-state` |
//! | `title`, `assessment_text`, `written_on`, `author_staff_id`, `start`, `end` | `title`, `description`, `created`, `author`, `period` |
//! | `problems[].no` | `addresses` → the evaluation's Conditions |
//! | `phases[]` | extension `care-plan-phase` |
//! | `goals[]` | Goal, part `goal/<id>` (`description.text`: the client's words) |
//! | `interventions[]` | `activity`: `reference` where an order is linked, else `detail` (cpl-3) |
//! | `reviews[]` | `note`, with its structure in extension `care-plan-review` |
//! | `team[]` | CareTeam, part `team` |
//! | `family`, `aftercare` | extensions `care-plan-family`, `care-plan-aftercare` |
//! | `signed_by_client_on`, `declined_to_sign` | extensions `care-plan-signed-on`, `care-plan-declined-to-sign` |
//!
//! The narrative is made from the same fields. This kind never edits a plan, and never says that the
//! family takes part without the client's consent to it.

#[cfg(test)]
mod corpus_tests;
mod from_fhir;
mod model;
mod narrative;
mod parts;
mod rules;
mod steps;
#[cfg(test)]
mod tests;
mod to_fhir;

pub use from_fhir::from_fhir;
pub use model::{
    Aftercare, CarePlan, Family, Goal, GoalStatus, Intervention, InterventionKind,
    InterventionState, Phase, PhaseState, PlanDecision, PlanProblem, PlanStatus, Review,
    TeamMember,
};
pub use to_fhir::LOSSES;
