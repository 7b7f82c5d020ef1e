//! Episode → EpisodeOfCare. Pure; the other way is in `from_fhir`.
//!
//! What brought the client stands in an extension: `diagnosis.condition` needs a Condition, and that
//! is the evaluation's.

use serde_json::json;

use crate::fhir::system::ICD10CM;
use crate::record::episode::{Episode, Program};
use crate::record::writing::{Writing, code_of, concept, local};
use crate::record::{Context, Kind, MapEnv, Mapped};

/// The EpisodeOfCare.
#[must_use]
pub fn to_fhir(episode: &Episode, _context: &Context, env: &MapEnv) -> Mapped {
    let mut mapped = Mapped::default();
    let coordinates = (Kind::Episode, episode.episode_id.as_str(), "");
    let mut w = Writing::begin(
        &mut mapped,
        "EpisodeOfCare",
        env,
        coordinates,
        "/episode_id",
    );
    w.version("/version", episode.version);
    let finished = episode.discharge_date.is_some();
    w.fixed("status", if finished { "finished" } else { "active" });
    let program = match episode.program {
        Program::IOP => "Intensive outpatient programme",
        Program::Aftercare => "Aftercare",
    };
    let kind = local(env, "program", &code_of(&episode.program), program);
    w.set("type[0]", "/program", kind);
    let patient = env.reference("Patient", Kind::Client, &episode.client_no, "");
    w.set("patient", "/client_no", patient);
    w.set(
        "period.start",
        "/admit_date",
        episode.admit_date.to_string(),
    );
    if let Some(end) = episode.discharge_date {
        w.set("period.end", "/discharge_date", end.to_string());
        w.note("status", "/discharge_date");
    }
    if let Some(on) = episode.step_down_date {
        let value = ("valueDate", json!(on.to_string()));
        w.extend("", "episode-step-down-date", value, "/step_down_date");
    }
    if let Some(how) = &episode.discharge_disposition {
        let value = ("valueString", json!(how));
        w.extend(
            "",
            "episode-discharge-disposition",
            value,
            "/discharge_disposition",
        );
    }
    let part2 = ("valueBoolean", json!(episode.part2_program));
    w.extend("", "episode-part2-program", part2, "/part2_program");
    if let Some(code) = &episode.primary_problem {
        let value = ("valueCodeableConcept", concept(ICD10CM, code));
        w.extend("", "episode-primary-problem", value, "/primary_problem");
    }
    if let Some(level) = &episode.level_of_care {
        let value = local(env, "level-of-care", level, "ASAM level of care");
        w.extend(
            "",
            "episode-level-of-care",
            ("valueCodeableConcept", value),
            "/level_of_care",
        );
    }
    w.end();
    mapped
}
