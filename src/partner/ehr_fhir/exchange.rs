//! One attempt of one effect at an EHR: which interaction, and what its outcome means.
//!
//! ```text
//! no row ── conditional create, or search and create ── 201 → Accepted
//!                    └─ it is there already → read, compare → the same: Accepted; else update
//! row ───── update with If-Match ── 409, 412: stale → read, compare → ours: Accepted
//!                                        └─ changed there → over the version just read, or parked
//! ```
//!
//! Must never send a create that a repeat would double, unless the type cannot be found again.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::{Method, Url};
use serde_json::Value;

use crate::partner::ehr_fhir::EhrFhir;
use crate::partner::ehr_fhir::answers::{etag, failure, outcome_error, page, remote};
use crate::partner::ehr_fhir::config::{Create, OnChange, Patients};
use crate::partner::ehr_fhir::encode::FHIR_JSON;
use crate::partner::ehr_fhir::fill::{Body, Unfilled, alike, fill};
use crate::partner::ehr_fhir::query::query;
use crate::partner::wire::{Ask, Heard};
use crate::sync::job::{Effect, EffectKind, Find, Purpose};
use crate::sync::ports::Delivery;
use crate::sync::reason::Reason;
use crate::sync::verdict::{Answer, Remote, Verdict};

/// Pages of a search that are read at most.
const PAGES_MAX: usize = 10;

/// What the EHR keeps of something.
pub struct Copy {
    /// Its content.
    pub resource: Value,
    /// What they call it.
    pub remote: Remote,
}

/// One attempt.
pub struct Exchange<'a> {
    /// The EHR.
    pub ehr: &'a EhrFhir,
    /// What is to be done.
    pub delivery: &'a Delivery<'a>,
    /// Whether a request left that may have had an effect.
    pub wrote: &'a AtomicBool,
}

impl Exchange<'_> {
    /// Carries the effect out.
    pub async fn run(&self) -> Answer {
        match self.attempt().await {
            Ok(answer) | Err(answer) => answer,
        }
    }

    async fn attempt(&self) -> Result<Answer, Answer> {
        let what = &self.delivery.effect.what;
        let row = self.row();
        match (what.kind, row) {
            (EffectKind::Patient, Some(_)) | (EffectKind::Retract, None) => {
                Ok(Answer::new(Verdict::Accepted, Reason::NotNeeded))
            }
            (EffectKind::Patient, None) => self.patient().await,
            (EffectKind::Upsert, None) if self.delivery.job.purpose == Purpose::Cancel => {
                self.take_back().await
            }
            (EffectKind::Upsert, None) => self.create().await,
            (EffectKind::Upsert | EffectKind::Retract, Some(row)) => self.update(row).await,
            (EffectKind::Message, _) => Err(Answer::new(Verdict::Refused, Reason::Unsupported)),
        }
    }

    /// The crosswalk row of the effect's own resource.
    pub fn row(&self) -> Option<Remote> {
        let what = &self.delivery.effect.what;
        let key = (what.resource_type.clone(), what.our_id.clone());
        let (id, version) = self.delivery.rows.get(&key)?;
        Some(Remote {
            id: id.clone(),
            version: version.clone(),
        })
    }

    /// The body to send.
    pub fn body(&self) -> Result<Body, Answer> {
        let Some(payload) = &self.delivery.effect.what.payload else {
            return Err(Answer::new(Verdict::Refused, Reason::Integrity));
        };
        fill(payload, self.delivery.rows).map_err(|why| {
            Answer::new(
                Verdict::Refused,
                match why {
                    Unfilled::Patient => Reason::PatientUnknown,
                    Unfilled::Broken => Reason::Integrity,
                },
            )
        })
    }

    /// Finds the patient, or makes it where the policy says so.
    async fn patient(&self) -> Result<Answer, Answer> {
        let what = &self.delivery.effect.what;
        let config = &self.ehr.config;
        if config.patients == Patients::Configured {
            let Find::Identifier { value, .. } = &what.find else {
                return Err(Answer::new(Verdict::Refused, Reason::PatientUnknown));
            };
            return match config.patient_ids.get(value) {
                Some(id) => Ok(found(Remote {
                    id: id.clone(),
                    version: None,
                })),
                None => Err(Answer::new(Verdict::Refused, Reason::PatientUnknown)),
            };
        }
        let mut matches = self.search().await.map_err(unwritten)?;
        match (matches.len(), matches.pop()) {
            (1, Some(copy)) => Ok(found(copy.remote)),
            // Nothing of somebody who is not there has to be taken back; the copy is looked for all the same.
            (0, _) if self.delivery.job.purpose == Purpose::Cancel => {
                Ok(Answer::new(Verdict::Accepted, Reason::NothingThere))
            }
            (0, _) if what.payload.is_some() => {
                let heard = self.post(&self.body()?).await?;
                match heard.status {
                    412 => Err(heard.answer(Verdict::Refused, Reason::PatientAmbiguous)),
                    200 => self.accepted(&heard, Reason::FoundThere),
                    _ => self.created(&heard),
                }
            }
            (0, _) => Err(Answer::new(Verdict::Refused, Reason::PatientUnknown)),
            _ => Err(Answer::new(Verdict::Refused, Reason::PatientAmbiguous)),
        }
    }

    /// A cancel of what may be there, but has no row: nothing is made that was not there. Where there is
    /// nothing, it needs no name for the patient either, who may never have been made there.
    async fn take_back(&self) -> Result<Answer, Answer> {
        let mut matches = self.search().await.map_err(unwritten)?;
        match (matches.len(), matches.pop()) {
            (0, _) => Ok(Answer::new(Verdict::Accepted, Reason::NothingThere)),
            (1, Some(copy)) => self.settle(&self.body()?, copy).await,
            _ => Err(Answer::new(Verdict::Refused, Reason::SeveralMatches)),
        }
    }

    async fn create(&self) -> Result<Answer, Answer> {
        let body = self.body()?;
        if self.ehr.config.create == Create::SearchFirst && self.query().is_some() {
            let mut matches = self.search().await.map_err(unwritten)?;
            match (matches.len(), matches.pop()) {
                (0, _) => {}
                (1, Some(copy)) => return self.settle(&body, copy).await,
                _ => return Err(Answer::new(Verdict::Refused, Reason::SeveralMatches)),
            }
        }
        let heard = self.post(&body).await?;
        let conditional = self.ehr.config.create == Create::Conditional;
        match heard.status {
            412 if conditional => Err(heard.answer(Verdict::Refused, Reason::SeveralMatches)),
            200 if conditional => {
                // It is there already: made by an attempt of ours whose answer was lost.
                readable(&heard)?;
                match remote(&heard, &self.delivery.effect.what.resource_type) {
                    Some(remote) => {
                        let copy = self.read(&remote.id).await.map_err(unwritten)?;
                        match copy {
                            Some(copy) => self.settle(&body, copy).await,
                            None => Err(Answer::new(Verdict::Refused, Reason::Gone)),
                        }
                    }
                    None => Err(heard.answer(Verdict::Unsure, Reason::BrokenAnswer)),
                }
            }
            _ => self.created(&heard),
        }
    }

    /// What the answer to a create means.
    fn created(&self, heard: &Heard) -> Result<Answer, Answer> {
        match heard.status {
            201 | 200 => self.accepted(heard, Reason::Delivered),
            _ => Err(failure(heard)),
        }
    }

    /// A success that names what was written; an OperationOutcome that says error is no success.
    fn accepted(&self, heard: &Heard, reason: Reason) -> Result<Answer, Answer> {
        if heard.status != 201 {
            readable(heard)?;
        }
        match remote(heard, &self.delivery.effect.what.resource_type) {
            Some(remote) => Ok(Answer {
                remote: Some(remote),
                ..heard.answer(Verdict::Accepted, reason)
            }),
            None => Err(heard.answer(Verdict::Unsure, Reason::BrokenAnswer)),
        }
    }

    async fn update(&self, row: Remote) -> Result<Answer, Answer> {
        let body = self.body()?;
        let mut known = row;
        if self.ehr.config.if_match && known.version.is_none() {
            match self.read(&known.id).await.map_err(unwritten)? {
                Some(copy) => known = copy.remote,
                None => return Err(Answer::new(Verdict::Refused, Reason::Gone)),
            }
        }
        let heard = self.put(&body, &known).await?;
        if matches!(heard.status, 409 | 412) {
            return self.stale(&body, &known, &heard).await;
        }
        self.updated(&heard, &known)
    }

    /// Their version is not the one we know: read, compare, decide.
    async fn stale(&self, body: &Body, known: &Remote, heard: &Heard) -> Result<Answer, Answer> {
        // The write was refused for certain: from here on nothing of this attempt is unclear.
        self.wrote.store(false, Ordering::Relaxed);
        let Some(copy) = self.read(&known.id).await.map_err(unwritten)? else {
            return Err(Answer::new(Verdict::Refused, Reason::Gone));
        };
        if alike(&body.value(), &copy.resource) {
            return Ok(Answer {
                remote: Some(copy.remote),
                ..heard.answer(Verdict::Accepted, Reason::AlreadyThere)
            });
        }
        match self.ehr.config.on_change {
            OnChange::Park => Err(heard.answer(Verdict::Refused, Reason::Conflict)),
            OnChange::Overwrite => self.overwrite(body, copy).await,
        }
    }

    /// Something with our identifier is there although we have no row of it: the same, or older.
    async fn settle(&self, body: &Body, copy: Copy) -> Result<Answer, Answer> {
        if alike(&body.value(), &copy.resource) {
            return Ok(Answer {
                remote: Some(copy.remote),
                ..Answer::new(Verdict::Accepted, Reason::AlreadyThere)
            });
        }
        self.overwrite(body, copy).await
    }

    async fn overwrite(&self, body: &Body, copy: Copy) -> Result<Answer, Answer> {
        let heard = self.put(body, &copy.remote).await?;
        if matches!(heard.status, 409 | 412) {
            return Err(heard.answer(Verdict::Busy, Reason::Conflict));
        }
        self.updated(&heard, &copy.remote)
    }

    /// What the answer to an update means.
    fn updated(&self, heard: &Heard, known: &Remote) -> Result<Answer, Answer> {
        match heard.status {
            200 | 201 | 204 => {
                readable(heard)?;
                let told = remote(heard, &self.delivery.effect.what.resource_type);
                let version = told
                    .and_then(|r| r.version)
                    .or_else(|| heard.etag.as_deref().and_then(etag));
                Ok(Answer {
                    remote: Some(Remote {
                        id: known.id.clone(),
                        version,
                    }),
                    ..heard.answer(Verdict::Accepted, Reason::Delivered)
                })
            }
            404 => Err(heard.answer(Verdict::Refused, Reason::Gone)),
            _ => Err(failure(heard)),
        }
    }

    /// The query that finds the effect's own resource.
    pub fn query(&self) -> Option<String> {
        let n = self.delivery.effect.n;
        let effects = self.delivery.job.effects.iter();
        self.query_among(effects.take_while(|e| e.n < n))
    }

    /// The same; what it is about may have no name there, where it is one of these.
    pub fn query_among<'e>(
        &self,
        brought: impl Iterator<Item = &'e Effect> + Clone,
    ) -> Option<String> {
        let chains = self.ehr.config.chained_search;
        let brought = brought.filter(|_| chains);
        let find = &self.delivery.effect.what.find;
        query(find, self.delivery.rows, brought)
    }

    /// Their copies of the effect's resource, as far as they can be found.
    pub async fn search(&self) -> Result<Vec<Copy>, Answer> {
        let what = &self.delivery.effect.what;
        let Some(query) = self.query() else {
            return Err(Answer::new(Verdict::Refused, Reason::Unsupported));
        };
        let mut url = self.ehr.url(&[&what.resource_type])?;
        url.set_query(Some(&query));
        let mut copies: Vec<Copy> = Vec::new();
        for _ in 0..PAGES_MAX {
            let heard = self.get(url.clone()).await?;
            if heard.status != 200 {
                return Err(failure(&heard));
            }
            let Some(page) = page(&heard, &what.resource_type, &what.find) else {
                return Err(heard.answer(Verdict::Unsure, Reason::BrokenAnswer));
            };
            for resource in page.matches {
                // The same resource may stand on several pages: the last one counts.
                if let Some(copy) = copy(resource, None) {
                    copies.retain(|c| c.remote.id != copy.remote.id);
                    copies.push(copy);
                }
            }
            match page.next.and_then(|n| url.join(&n).ok()) {
                // Our token is for this server only.
                Some(next) if next.origin() == url.origin() => url = next,
                _ => return Ok(copies),
            }
        }
        Ok(copies)
    }

    /// Their copy by their id; `None` where it is not there (any more).
    pub async fn read(&self, id: &str) -> Result<Option<Copy>, Answer> {
        let resource_type = &self.delivery.effect.what.resource_type;
        let heard = self.get(self.ehr.url(&[resource_type, id])?).await?;
        match heard.status {
            200 => {
                let body: Option<Value> = serde_json::from_slice(&heard.body).ok();
                body.filter(|b| b["resourceType"] == resource_type.as_str() && heard.complete)
                    .and_then(|b| copy(b, heard.etag.as_deref().and_then(etag)))
                    .map(Some)
                    .ok_or_else(|| heard.answer(Verdict::Unsure, Reason::BrokenAnswer))
            }
            404 | 410 => Ok(None),
            _ => Err(failure(&heard)),
        }
    }

    async fn get(&self, url: Url) -> Result<Heard, Answer> {
        let mut ask = Ask::get(url);
        ask.headers.push(("accept", FHIR_JSON.to_owned()));
        self.trace(&mut ask);
        self.ehr.http.send(ask, self.delivery.now).await
    }

    async fn post(&self, body: &Body) -> Result<Heard, Answer> {
        let what = &self.delivery.effect.what;
        let url = self.ehr.url(&[&what.resource_type])?;
        let mut ask = self.write(Method::POST, url, body.bytes().to_vec());
        if self.ehr.config.create == Create::Conditional
            && let Some(query) = self.query()
        {
            ask.headers.push(("if-none-exist", query));
        }
        self.send(ask).await
    }

    async fn put(&self, body: &Body, known: &Remote) -> Result<Heard, Answer> {
        let what = &self.delivery.effect.what;
        let url = self.ehr.url(&[&what.resource_type, &known.id])?;
        let mut ask = self.write(Method::PUT, url, body.with_id(&known.id));
        if let Some(version) = known.version.as_ref().filter(|_| self.ehr.config.if_match) {
            ask.headers.push(("if-match", format!("W/\"{version}\"")));
        }
        self.send(ask).await
    }

    /// A request that writes.
    pub fn write<'b>(&self, method: Method, url: Url, body: Vec<u8>) -> Ask<'b> {
        let job = self.delivery.job;
        let mut ask = Ask {
            method,
            url,
            headers: vec![
                ("accept", FHIR_JSON.to_owned()),
                ("prefer", "return=minimal".to_owned()),
                (
                    "gateway-record",
                    format!(
                        "{}/{}/{}",
                        job.record.kind, job.record.id, job.record.version
                    ),
                ),
            ],
            body: Some((FHIR_JSON, body)),
        };
        self.trace(&mut ask);
        ask
    }

    fn trace(&self, ask: &mut Ask<'_>) {
        let id = self.delivery.job.id.as_str().to_owned();
        ask.headers.push(("x-request-id", id));
    }

    /// Sends a request that writes.
    pub async fn send(&self, ask: Ask<'_>) -> Result<Heard, Answer> {
        self.wrote.store(true, Ordering::Relaxed);
        self.ehr.http.send(ask, self.delivery.now).await
    }
}

/// A success whose body can be read and says nothing else.
fn readable(heard: &Heard) -> Result<(), Answer> {
    if let Some(answer) = outcome_error(heard) {
        return Err(answer);
    }
    // A page in the place of an answer (a log-in, a proxy) says nothing of what was done.
    let empty = heard.body.iter().all(u8::is_ascii_whitespace);
    let json = || serde_json::from_slice::<serde::de::IgnoredAny>(&heard.body).is_ok();
    if !heard.complete || !(empty || json()) {
        return Err(heard.answer(Verdict::Unsure, Reason::BrokenAnswer));
    }
    Ok(())
}

fn copy(resource: Value, version: Option<String>) -> Option<Copy> {
    let id = resource["id"].as_str()?.to_owned();
    let version = version.or_else(|| resource["meta"]["versionId"].as_str().map(str::to_owned));
    Some(Copy {
        resource,
        remote: Remote { id, version },
    })
}

/// An answer for something that was there.
pub fn found(remote: Remote) -> Answer {
    Answer {
        remote: Some(remote),
        ..Answer::new(Verdict::Accepted, Reason::FoundThere)
    }
}

/// A read that failed before anything was written: the effect was certainly not processed.
fn unwritten(answer: Answer) -> Answer {
    match answer.verdict {
        Verdict::Unsure => Answer {
            verdict: Verdict::Busy,
            ..answer
        },
        Verdict::Accepted | Verdict::Pending | Verdict::Refused | Verdict::Busy => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_in_the_place_of_an_answer_is_no_success() {
        for (body, complete, reads) in [
            ("", true, true),
            (r#"{"resourceType": "Patient"}"#, true, true),
            ("<html>Log in</html>", true, false),
            (r#"{"resourceType": "Pat"#, true, false),
            ("", false, false),
        ] {
            let heard = Heard {
                status: 200,
                media_type: String::new(),
                etag: None,
                location: None,
                retry_after: None,
                token_refused: false,
                body: body.into(),
                complete,
            };
            let said = readable(&heard).map_err(|a| a.verdict);
            assert_eq!(said.is_ok(), reads, "{body:?}");
            assert!(reads || said == Err(Verdict::Unsure));
        }
    }
}
