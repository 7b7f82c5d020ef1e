//! The checker: what has to hold of a gateway and its partners, whatever was done to it. Pure: it is given
//! evidence, and says what is broken. Believes nothing that the gateway says of itself unless the partners'
//! books say it, too.

mod evidence;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) use evidence::{Book, Broken, Evidence, Job, Line, Moved, Name, Sent, Took, Wrong};

/// Longer than the time between an answer that is written here and the next request that it allows.
const SLACK: Duration = Duration::from_millis(60);
/// Sentences per invariant, at most.
const SAID_MAX: usize = 5;

/// What was found, and how much of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) broken: Vec<Broken>,
    pub(crate) counts: BTreeMap<Wrong, u64>,
}

impl Found {
    pub(crate) fn add(&mut self, wrong: Wrong, says: impl Into<String>) {
        let count = self.counts.entry(wrong).or_default();
        *count += 1;
        if *count <= SAID_MAX as u64 {
            self.broken.push(Broken {
                wrong,
                says: says.into(),
            });
        }
    }

    pub(crate) fn count(&self, wrong: Wrong) -> u64 {
        self.counts.get(&wrong).copied().unwrap_or(0)
    }

    pub(crate) fn extend(&mut self, other: Found) {
        for (wrong, n) in other.counts {
            *self.counts.entry(wrong).or_default() += n;
        }
        self.broken.extend(other.broken);
    }
}

/// Checks everything.
pub(crate) fn check(evidence: &Evidence) -> Found {
    let mut found = Found::default();
    accepted(evidence, &mut found);
    routed(evidence, &mut found);
    counted(evidence, &mut found);
    moved(evidence, &mut found);
    prescriptions(evidence, &mut found);
    for book in &evidence.books {
        let jobs: Vec<&Job> = evidence
            .jobs
            .iter()
            .filter(|j| j.partner == book.partner)
            .collect();
        arrived(evidence, book, &jobs, &mut found);
        once(book, &mut found);
        due(evidence, book, &jobs, &mut found);
        sensible(book, &mut found);
        in_order(book, &jobs, &mut found);
        patient(evidence, book, &jobs, &mut found);
    }
    found
}

pub(crate) fn shown((kind, id, version): &Name) -> String {
    format!("{kind}/{id}/{version}")
}

/// Accepted ⊆ stored ⊆ sent; the database is whole; what should rest does.
fn accepted(evidence: &Evidence, found: &mut Found) {
    let sent: BTreeSet<&Name> = evidence.sent.iter().map(|s| &s.name).collect();
    for one in evidence.sent.iter().filter(|s| s.answered) {
        if !evidence.stored.contains(&one.name) {
            let says = format!("{} was acknowledged and is not stored", shown(&one.name));
            found.add(Wrong::Lost, says);
        }
    }
    for name in &evidence.stored {
        if !sent.contains(name) {
            let says = format!("{} is stored and was never sent", shown(name));
            found.add(Wrong::Undue, says);
        }
    }
    if evidence.integrity != "ok" {
        found.add(Wrong::Damaged, evidence.integrity.clone());
    }
    for job in evidence.jobs.iter().filter(|_| evidence.rests) {
        let parked = job.state == "parked" && !evidence.may_park;
        if job.is_open() || parked {
            let (name, partner) = (shown(&job.name), &job.partner);
            let says = format!(
                "{} of {name} for {partner} is {} ({})",
                job.purpose, job.state, job.reason
            );
            found.add(Wrong::Unfinished, says);
        }
    }
}

/// One job per version and EHR that a route names, at most one of each sort at a pharmacy.
fn routed(evidence: &Evidence, found: &mut Found) {
    let mut jobs: BTreeMap<(&str, &Name, &str), u64> = BTreeMap::new();
    for job in &evidence.jobs {
        *jobs
            .entry((&job.partner, &job.name, &job.purpose))
            .or_default() += 1;
    }
    for ((partner, name, purpose), n) in &jobs {
        if *n > 1 {
            let says = format!("{n} jobs ({purpose}) of {} for {partner}", shown(name));
            found.add(Wrong::Doubled, says);
        }
    }
    for book in evidence.books.iter().filter(|b| !b.pharmacy) {
        for name in &evidence.stored {
            let routed = book.kinds.contains(&name.0);
            let any = |purpose| jobs.contains_key(&(book.partner.as_str(), name, purpose));
            if routed && !any("copy") && !any("cancel") {
                let says = format!("{} has no job for {}", shown(name), book.partner);
                found.add(Wrong::Lost, says);
            }
        }
    }
}

/// Counters against rows; jobs made against the sum over the seven states.
fn counted(evidence: &Evidence, found: &mut Found) {
    let mut rows: BTreeMap<(String, String), i64> = BTreeMap::new();
    for job in &evidence.jobs {
        *rows
            .entry((job.partner.clone(), job.state.clone()))
            .or_default() += 1;
    }
    let keys: BTreeSet<_> = rows.keys().chain(evidence.counts.keys()).collect();
    for key in keys {
        let of = |map: &BTreeMap<(String, String), i64>| map.get(key).copied().unwrap_or(0);
        let (have, counter) = (of(&rows), of(&evidence.counts));
        if have != counter {
            let (partner, state) = key;
            let says = format!("{partner} has {have} jobs {state}, the counter says {counter}");
            found.add(Wrong::Miscounted, says);
        }
    }
    let all = i64::try_from(evidence.jobs.len()).unwrap_or(i64::MAX);
    if all != evidence.made {
        let says = format!("{} jobs were made, {all} are there", evidence.made);
        found.add(Wrong::Miscounted, says);
    }
    for says in &evidence.astray {
        found.add(Wrong::Miscounted, says.clone());
    }
}

/// What had ended stays ended; what is parked moves by a person, or by its chain.
fn moved(evidence: &Evidence, found: &mut Found) {
    for m in &evidence.moved {
        let over = matches!(m.from.as_str(), "done" | "cancelled" | "superseded");
        let ends = matches!(m.to.as_str(), "cancelled" | "superseded");
        if over || (m.from == "parked" && !ends && !m.acted) {
            let says = format!("job {} went from {} to {}", m.seq, m.from, m.to);
            found.add(Wrong::Revived, says);
        }
    }
}

/// The newest version of an order against what its pharmacy has of it.
fn prescriptions(evidence: &Evidence, found: &mut Found) {
    let mut newest: BTreeMap<&str, &Sent> = BTreeMap::new();
    for sent in evidence.sent.iter().filter(|s| s.pharmacy.is_some()) {
        if evidence.stored.contains(&sent.name) {
            let before = newest.entry(&sent.name.1).or_insert(sent);
            if sent.name.2 >= before.name.2 {
                *before = sent;
            }
        }
    }
    for (order, sent) in newest {
        let book = evidence
            .books
            .iter()
            .find(|b| Some(&b.partner) == sent.pharmacy.as_ref());
        let Some(book) = book else { continue };
        let live = book.live.iter().filter(|(o, _)| o == order).count();
        let busy = evidence.jobs.iter().any(|j| {
            j.partner == book.partner
                && j.name.1 == order
                && (j.is_open() || j.state == "parked" || j.acted)
        });
        if sent.ends && live > 0 && !busy {
            let says = format!("{order} was cancelled, and is live at {}", book.partner);
            found.add(Wrong::Uncancelled, says);
        }
        if !sent.ends && live == 0 && !busy {
            let says = format!("{order} is signed, and {} has nothing of it", book.partner);
            found.add(Wrong::Lost, says);
        }
        if live > 1 {
            let says = format!(
                "{live} prescriptions of {order} are live at {}",
                book.partner
            );
            found.add(Wrong::Doubled, says);
        }
    }
}

/// What is called done took effect.
fn arrived(evidence: &Evidence, book: &Book, jobs: &[&Job], found: &mut Found) {
    let records: BTreeSet<&str> = book
        .lines
        .iter()
        .filter(|l| !l.took.is_empty())
        .filter_map(|l| l.record.as_deref())
        .collect();
    let messages: BTreeSet<&str> = book
        .lines
        .iter()
        .filter(|l| !l.took.is_empty())
        .filter_map(|l| l.message.as_deref())
        .collect();
    let done = jobs.iter().filter(|j| j.state == "done" && !j.acted);
    for job in done {
        let nothing = matches!(job.reason.as_str(), "nothing-there" | "not-needed");
        let there = match &job.message {
            Some(message) if book.pharmacy => messages.contains(message.as_str()),
            _ => nothing || records.contains(shown(&job.name).as_str()),
        };
        if !there {
            let name = shown(&job.name);
            let says = format!(
                "{name} is done for {}, and nothing of it was ever there",
                book.partner
            );
            found.add(Wrong::Lost, says);
        }
    }
    if book.pharmacy {
        return;
    }
    let kept: BTreeSet<&str> = book.kept.iter().map(|(name, _)| name.as_str()).collect();
    let ours: BTreeSet<i64> = jobs.iter().map(|j| j.seq).collect();
    for (seq, name) in evidence.done.iter().filter(|(seq, _)| ours.contains(seq)) {
        if !kept.contains(name.as_str()) {
            let says = format!(
                "job {seq} says that {} has {name}, which it has not",
                book.partner
            );
            found.add(Wrong::Lost, says);
        }
    }
}

/// One effect per record version and resource; nothing there twice.
fn once(book: &Book, found: &mut Found) {
    let mut effects: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for line in &book.lines {
        let of = line.record.as_deref().unwrap_or("");
        for took in &line.took {
            *effects.entry((of, &took.name)).or_default() += 1;
        }
    }
    for ((record, name), n) in effects {
        if n > 1 {
            let partner = &book.partner;
            let says = format!("{name} of {record} took effect {n} times at {partner}");
            found.add(Wrong::Doubled, says);
        }
    }
    let mut named: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (name, names) in &book.kept {
        let kind = name.split('/').next().unwrap_or_default();
        // Accession numbers and the like may be shared; a record's own name may not.
        for one in names
            .iter()
            .filter(|n| n.contains("/id/") || n.contains(' '))
        {
            *named.entry((kind, one)).or_default() += 1;
        }
    }
    for ((kind, name), n) in named {
        if n > 1 {
            let says = format!("{} has {n} of {kind} {name}", book.partner);
            found.add(Wrong::Doubled, says);
        }
    }
    for order in &book.live_twice {
        let says = format!("{} had two live prescriptions of {order}", book.partner);
        found.add(Wrong::Doubled, says);
    }
}

/// Nothing that was not accepted arrived.
fn due(evidence: &Evidence, book: &Book, jobs: &[&Job], found: &mut Found) {
    let stored: BTreeSet<String> = evidence.stored.iter().map(shown).collect();
    let messages: BTreeSet<&str> = jobs.iter().filter_map(|j| j.message.as_deref()).collect();
    for line in book.lines.iter().filter(|l| !l.took.is_empty()) {
        let known = match (&line.record, &line.message) {
            (Some(record), _) => stored.contains(record),
            (None, Some(message)) => messages.contains(message.as_str()),
            (None, None) => false,
        };
        if !known {
            let what = line.record.as_ref().or(line.message.as_ref());
            let says = format!("{} got {what:?}, which nobody accepted", book.partner);
            found.add(Wrong::Undue, says);
        }
    }
}

/// No partner says 400 or 405 here unless it was asked badly; a transaction that is would go unseen otherwise,
/// because what is refused as a whole is sent again in parts.
fn sensible(book: &Book, found: &mut Found) {
    for line in book.lines.iter().filter(|l| matches!(l.status, 400 | 405)) {
        let (partner, status) = (&book.partner, line.status);
        let says = format!("{partner} answered {status} to {:?}", line.record);
        found.add(Wrong::Senseless, says);
    }
}

/// The requests of each lane: who comes first, and one at a time.
fn in_order(book: &Book, jobs: &[&Job], found: &mut Found) {
    let by_id: BTreeMap<&str, &Job> = jobs.iter().map(|j| (j.id.as_str(), *j)).collect();
    let by_message: BTreeMap<&str, &Job> = jobs
        .iter()
        .filter_map(|j| Some((j.message.as_deref()?, *j)))
        .collect();
    let mut lanes: BTreeMap<&str, Vec<(&Job, &Line)>> = BTreeMap::new();
    for line in &book.lines {
        let of = line.job.as_deref().and_then(|id| by_id.get(id));
        let of = of.or_else(|| by_message.get(line.message.as_deref()?));
        if let Some(job) = of {
            lanes.entry(&job.lane).or_default().push((job, line));
        }
    }
    for (lane, mut lines) in lanes {
        lines.sort_by_key(|(_, line)| line.begun);
        let mut busy = Duration::ZERO;
        for (_, later) in &lines {
            if busy.saturating_sub(later.begun) > SLACK {
                let partner = &book.partner;
                let says = format!("two requests of the lane {lane} were in flight at {partner}");
                found.add(Wrong::Overlapped, says);
                break;
            }
            busy = busy.max(later.ended);
        }
        // A cancel goes first; what a person moved goes when the person says so.
        let mut effects: Vec<(&Job, Duration)> = lines
            .iter()
            .filter(|(job, line)| !line.took.is_empty() && job.purpose != "cancel" && !job.acted)
            .map(|(job, line)| (*job, line.at))
            .collect();
        effects.sort_by_key(|(_, at)| *at);
        for pair in effects.windows(2) {
            let ((earlier, _), (later, _)) = (pair[0], pair[1]);
            if earlier.seq > later.seq {
                let says = format!(
                    "{} came after {} in the lane {lane} at {}",
                    shown(&later.name),
                    shown(&earlier.name),
                    book.partner
                );
                found.add(Wrong::Disordered, says);
            }
        }
    }
}

/// Attempts as the schedule has them; left alone for as long as was asked.
fn patient(evidence: &Evidence, book: &Book, jobs: &[&Job], found: &mut Found) {
    for job in jobs {
        let name = shown(&job.name);
        if job.attempts > evidence.attempts_max && !job.acted {
            let says = format!("{name} was tried {} times", job.attempts);
            found.add(Wrong::Impatient, says);
        }
        if job.attempts != job.charged && !job.acted {
            let (says, wrote) = (job.attempts, job.charged);
            let says = format!("{name} counts {says} attempts and has {wrote} written");
            found.add(Wrong::Miscounted, says);
        }
    }
    let asks = book.lines.iter().filter(|l| l.status == 429);
    for (line, wait) in asks.filter_map(|l| Some((l, l.retry_after?))) {
        let from = line.ended.saturating_add(evidence.on_its_way);
        let until = line.ended.saturating_add(wait).saturating_sub(SLACK);
        let soon = |l: &&Line| l.begun > from && l.begun < until && l.method != "GET";
        if let Some(soon) = book.lines.iter().find(soon) {
            let says = format!(
                "{} asked for {wait:?} and was asked again after {:?}",
                book.partner,
                soon.begun.saturating_sub(line.ended)
            );
            found.add(Wrong::Impatient, says);
        }
    }
}
