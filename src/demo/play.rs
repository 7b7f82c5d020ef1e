//! The play: starts everybody, plays the days while things go wrong, waits until all is at rest, and
//! recounts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::ZonedDateTime;
use jiff::tz::TimeZone;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, System};
use crate::demo::cast::Cast;
use crate::demo::clinic::ClinicSystem;
use crate::demo::days::{self, Day, Expect, PARKS};
use crate::demo::gateway::Gateway;
use crate::demo::look::{self, Totals};
use crate::demo::partners::Partners;
use crate::demo::recount::{Evidence, recount};
use crate::demo::report::Outcome;
use crate::demo::say::Say;
use crate::demo::sim::{Door, Journal};
use crate::demo::site::{SCHEDULE, Site, ZONE};
use crate::demo::trouble::{self, Killer};
use crate::record::Kind;

/// About how long a day lasts at least, so that what goes wrong meets something.
const DAY: Duration = Duration::from_millis(2200);
/// How long everything may take to come to rest once the last record was sent.
const REST: Duration = Duration::from_secs(60);
/// The record versions that a play accepts at least.
const ACCEPTED_MIN: usize = 200;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where to keep everything; else a folder that goes with the play.
    pub data: Option<PathBuf>,
    /// How often to kill the gateway.
    pub kill: u32,
    /// Where to write what partners and the clinic received.
    pub journal: Option<PathBuf>,
    /// One line of JSON at the end.
    pub json: bool,
    /// What chance is drawn from.
    pub seed: Option<u64>,
}

/// A play that is over, its gateway still up.
pub struct Played {
    /// The folder.
    pub site: Site,
    /// The gateway.
    pub gateway: Gateway,
    /// Who says what.
    pub say: Say,
    /// What came out.
    pub outcome: Outcome,
}

/// Plays. `called_off` ends it early, with an error.
///
/// # Errors
/// What kept the play from being played; the gateway has ended by then.
pub async fn play(options: &Options, called_off: CancellationToken) -> anyhow::Result<Played> {
    let mut stage = Stage::set(options).await?;
    let outcome = tokio::select! {
        outcome = stage.run(options) => outcome,
        () = called_off.cancelled() => Err(anyhow::anyhow!("called off; the gateway has ended")),
    };
    match outcome {
        Ok(outcome) => Ok(Played {
            site: stage.site,
            gateway: stage.gateway,
            say: stage.say,
            outcome,
        }),
        Err(error) => {
            stage.gateway.stop().await;
            if !called_off.is_cancelled() {
                stage.site.keep();
                let folder = stage.site.folder().display();
                stage.say.line(&format!("Everything is kept in {folder}"));
            }
            Err(error)
        }
    }
}

/// Everybody in their places.
struct Stage {
    clock: Arc<dyn Clock>,
    say: Say,
    seed: u64,
    site: Site,
    journal: Journal,
    partners: Partners,
    clinic: ClinicSystem,
    gateway: Gateway,
    days: Vec<Day>,
    now: ZonedDateTime,
}

impl Stage {
    async fn set(options: &Options) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(System::default());
        let say = Say::new(Arc::clone(&clock), options.json);
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(1..1_000_000));
        let zone = TimeZone::get(ZONE).context("the clinic's zone is not known")?;
        let now = jiff::Timestamp::from_microsecond(clock.now().micros())
            .context("what time is it?")?
            .to_zoned_datetime(zone);
        let site = Site::new(options.data.as_deref())?;
        let journal = match &options.journal {
            Some(path) => Journal::to_file(Arc::clone(&clock), path)
                .with_context(|| format!("cannot write {}", path.display()))?,
            None => Journal::new(Arc::clone(&clock)),
        };
        let partners = Partners::start(&site, &clock, &journal).await?;
        site.write(&partners.addresses())?;
        let door = Door::new(&site.gateway(), site.token("clinic"), Arc::clone(&clock))?;
        let gateway = Gateway::of(&site, door.clone(), Arc::clone(&clock))?;
        let cast = Cast::on(now.date())?;
        let days = days::write(&cast, seed, &now)?;
        Ok(Stage {
            clinic: ClinicSystem::new(door, Arc::clone(&clock)),
            clock,
            say,
            seed,
            site,
            journal,
            partners,
            gateway,
            days,
            now,
        })
    }

    async fn run(&self, options: &Options) -> anyhow::Result<Outcome> {
        self.opening(options);
        self.gateway.start().await?;
        self.say.step("the gateway is up");
        let stop = CancellationToken::new();
        let _stops_at_the_end = stop.clone().drop_guard();
        let pharmacy = tokio::spawn({
            let (partners, stop) = (self.partners.clone(), stop.clone());
            async move { partners.pharmacy_works(stop).await }
        });
        let mut killer = tokio::spawn(self.killer(options.kill).run(
            self.gateway.clone(),
            self.activity(),
            stop.clone(),
        ));
        for n in 0..self.days.len() {
            self.day(n).await?;
        }
        // What is left of the kills comes while the rest is delivered.
        (&mut killer).await.context("the killer failed")??;
        let totals = self.rest().await?;
        stop.cancel();
        pharmacy.await.context("the pharmacy failed")?;
        let outcome = self.count(totals, options).await?;
        outcome.show(&self.say);
        Ok(outcome)
    }

    fn opening(&self, options: &Options) {
        let say = &self.say;
        let kills = match options.kill {
            0 => String::new(),
            1 => "; the gateway is killed once".to_owned(),
            n => format!("; the gateway is killed {n} times"),
        };
        say.line("A clinic's week against a real gateway. Everybody is invented; nothing leaves this machine.");
        say.line(&format!(
            "  gateway      {}  (a child process; data and log in {})",
            self.site.gateway(),
            self.site.folder().display()
        ));
        say.line(&format!("  EHR          {}", self.partners.ehr.url()));
        say.line(&format!("  pharmacy     {}", self.partners.pharmacy.url()));
        say.line("  laboratory   sends results to the gateway");
        say.line(&format!(
            "  schedule     shortened for the play: {SCHEDULE}"
        ));
        say.line(&format!(
            "  seed         {} (--seed {} plays the same records again){kills}",
            self.seed, self.seed
        ));
        say.line("");
    }

    fn killer(&self, kills: u32) -> Killer {
        let steps = self.days.iter().flat_map(|d| &d.threads).flatten().count();
        Killer::new(kills, steps, self.seed)
    }

    /// How much has happened so far.
    fn activity(&self) -> impl Fn() -> usize + Send + use<> {
        let (clinic, journal) = (self.clinic.clone(), self.journal.clone());
        move || {
            let answered = usize::try_from(clinic.door().answered()).unwrap_or(usize::MAX);
            answered.saturating_add(journal.count())
        }
    }

    async fn day(&self, n: usize) -> anyhow::Result<()> {
        let day = &self.days[n];
        trouble::prepare(n, &self.partners);
        self.say.step(&format!("{}: {}", day.name, day.says));
        let mut tasks = JoinSet::new();
        for (i, thread) in day.threads.iter().enumerate() {
            let (clinic, thread) = (self.clinic.clone(), thread.clone());
            let seed = self.seed ^ u64::try_from(n * 1000 + i).unwrap_or(0);
            // The first two days only set the stage.
            let pace = if n < 2 {
                Duration::ZERO
            } else {
                DAY / u32::try_from(thread.len()).unwrap_or(1).max(1)
            };
            tasks.spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed);
                for step in &thread {
                    let wait = pace.mul_f64(random.f64() * 2.0);
                    tokio::time::sleep(wait.min(DAY / 2)).await;
                    clinic.submit(step).await;
                }
            });
        }
        for (specimen, again) in day.results.clone() {
            let laboratory = self.partners.laboratory.clone();
            tasks.spawn(async move { laboratory.report(&specimen, again).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.context("a part of the play failed")?;
        }
        self.gateway.check().await?;
        self.progress().await;
        Ok(())
    }

    /// How far everything is, in a line.
    async fn progress(&self) {
        let (accepted, refused) = self.clinic.counts();
        let kills = match self.gateway.kills() {
            0 => String::new(),
            1 => "; killed once".to_owned(),
            n => format!("; killed {n} times"),
        };
        let delivered = match look::totals(self.clinic.door()).await {
            Some(t) => format!(
                "{} messages delivered, {} on their way",
                t.of("done"),
                t.open()
            ),
            None => "the gateway is just getting up".to_owned(),
        };
        self.say.step(&format!(
            "  {accepted} records accepted, {refused} refused; {delivered}{kills}"
        ));
    }

    /// Waits until nothing moves by itself any more: twice the same picture, so that what a partner is
    /// about to tell is told.
    async fn rest(&self) -> anyhow::Result<Totals> {
        self.say
            .step("the week is over: waiting until everything is where it belongs");
        let begun = self.clock.monotonic();
        let mut before = None;
        loop {
            self.gateway.check().await?;
            let now = look::totals(self.clinic.door()).await;
            let late = self.clock.monotonic().saturating_sub(begun) > REST;
            if let Some(now) = now {
                let quiet =
                    now.at_rest() && self.partners.at_rest() && before.as_ref() == Some(&now);
                if quiet || late {
                    self.say.step(&format!(
                        "{}: {} messages delivered, {} replaced by newer ones, {} cancelled, {} for a person{}",
                        if quiet { "at rest" } else { "not at rest in time" },
                        now.of("done"),
                        now.of("superseded"),
                        now.of("cancelled"),
                        now.of("parked"),
                        match self.gateway.kills() {
                            0 => String::new(),
                            n => format!("; killed {n} times"),
                        }
                    ));
                    return Ok(now);
                }
                before = Some(now);
            } else if late {
                anyhow::bail!("the gateway does not answer any more");
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    }

    /// Reads the gateway's stories, recounts, and looks at everything else that was expected.
    async fn count(&self, totals: Totals, options: &Options) -> anyhow::Result<Outcome> {
        let taken = self.clinic.taken();
        let told = self.partners.webhook.messages();
        let fed = look::feed(self.clinic.door()).await?;
        let names: BTreeSet<_> = taken
            .iter()
            .map(|t| (t.kind, t.id.clone()))
            .chain(told.iter().chain(&fed).filter_map(look::name_of))
            .collect();
        let evidence = Evidence {
            taken,
            journal: self.journal.lines(),
            kept: self
                .partners
                .ehr
                .kept()
                .into_iter()
                .map(|k| k.resource)
                .collect(),
            scripts: self.partners.scripts(&self.journal),
            answered: self.partners.answered(),
            reported: self.partners.laboratory.reported(),
            told,
            fed,
            stories: look::stories(self.clinic.door(), names).await?,
            today: self.now.date(),
        };
        let mut odd = self.odd(&totals, &evidence);
        if self.gateway.kills() != u64::from(options.kill) {
            odd.push(format!(
                "the gateway was killed {} times",
                self.gateway.kills()
            ));
        }
        Ok(Outcome {
            findings: recount(&evidence),
            odd,
            totals,
            refused: self.clinic.refused(),
            kills: self.gateway.kills(),
            broken: self.clinic.door().broken(),
            repeats: self.partners.laboratory.repeats(),
            seconds: self.say.seconds(),
            evidence,
        })
    }

    /// What is not as expected, the recount aside.
    fn odd(&self, totals: &Totals, evidence: &Evidence) -> Vec<String> {
        let mut odd = self.clinic.odd();
        odd.extend(self.partners.laboratory.odd());
        let expected = self.days.iter().flat_map(|d| &d.threads).flatten();
        let expected = expected.filter(|s| s.expect == Expect::Accepted).count();
        let accepted = evidence.taken.len();
        let mut expect = |fine: bool, what: String| {
            if !fine {
                odd.push(what);
            }
        };
        expect(
            accepted == expected && accepted >= ACCEPTED_MIN,
            format!("{accepted} record versions were accepted, and {expected} should be"),
        );
        expect(
            totals.adds_up,
            "the gateway's counts do not add up".to_owned(),
        );
        expect(
            totals.at_rest(),
            format!(
                "not at rest: {} waiting ({} of them held), {} sending, {} asking",
                totals.of("waiting"),
                totals.held,
                totals.of("sending"),
                totals.of("asking")
            ),
        );
        expect(
            totals.inbound_open == 0,
            format!(
                "{} inbound messages were not understood",
                totals.inbound_open
            ),
        );
        for ((kind, id), story) in &evidence.stories {
            for job in story.jobs.iter().filter(|j| j.state == "parked") {
                expect(
                    *kind == Kind::MedicationRequest && PARKS.contains(&id.as_str()),
                    format!(
                        "{kind}/{id}/{} is parked for {}: {}",
                        job.version,
                        job.partner,
                        job.words.as_deref().unwrap_or_default()
                    ),
                );
            }
        }
        let harm = self.partners.pharmacy.harm();
        expect(
            harm.sum() + harm.nothing_to_cancel == 0,
            format!("the pharmacy counts harm: {harm:?}"),
        );
        expect(
            self.partners.webhook.forged() == 0,
            "the clinic got messages whose signature is wrong".to_owned(),
        );
        expect(
            !self.log_tells_names(),
            "a client's name stands in the gateway's log".to_owned(),
        );
        odd
    }

    /// Whether the log holds a client's name: those of the fixtures all have this word in them.
    fn log_tells_names(&self) -> bool {
        let log = std::fs::read(self.site.folder().join("gateway.log")).unwrap_or_default();
        log.windows(6).any(|w| w.eq_ignore_ascii_case(b"canary"))
    }
}
