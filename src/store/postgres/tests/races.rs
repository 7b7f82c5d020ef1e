//! Several nodes at once: many tasks accept, claim and settle the same chains through two nodes, some
//! calls fail, some leases run out. In the end everything is looked over behind the trait: order within
//! lanes, one in flight at a time, counters and lanes as the rows have them, a feed that skipped nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::cluster::Database;
use super::{Postgres, database, node};
use crate::ids::TenantId;
use crate::store::suite::make::{
    Clinic, Drafted, at, chain, draft, job, partner, settles, version,
};
use crate::sync::job::{Claimed, LaneKey, NewJob, State};
use crate::sync::ports::{Admission, Admitted, ClaimRequest, Reported, Store};
use crate::sync::reason::Reason;

const RECORDS: usize = 6;
const WRITERS: usize = 4;
const EACH: usize = 30;
const PARTNERS: [&str; 2] = ["ehr", "lab"];

/// What all tasks see.
#[derive(Default)]
struct Seen {
    /// Counts begins and ends of admissions.
    stamp: AtomicU64,
    /// Job → (stamp before its admission, stamp after it).
    admitted: Mutex<BTreeMap<String, (u64, u64)>>,
    /// Lanes in flight, and the jobs settled as done, in order, per (partner, lane).
    flight: Mutex<BTreeSet<String>>,
    done: Mutex<Vec<String>>,
    now: AtomicI64,
    over: AtomicBool,
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A job in the lane of its record (ehr) or of its patient (lab).
fn made(id: &str, to: &str, record: usize) -> NewJob {
    let lane = match to {
        "lab" => format!("patient/C-{}", record % 2),
        _ => format!("observation/M-{record}"),
    };
    NewJob {
        lane: LaneKey(lane),
        ..job(id, to)
    }
}

/// Accepts versions of all records, as somebody would who is told to decide again when something moved.
async fn accepts(store: Arc<Postgres>, seen: Arc<Seen>, me: usize) {
    let clinic = Clinic::of(store.as_ref());
    for n in 0..EACH {
        let record = (me + n) % RECORDS;
        let id = format!("M-{record}");
        let ids: Vec<String> = PARTNERS.iter().map(|p| format!("J-{me}-{n}-{p}")).collect();
        let before = seen.stamp.fetch_add(1, Ordering::SeqCst);
        loop {
            let name = [("observation".to_owned(), id.clone())];
            let newest = store.newest(&clinic.tenant, &name).await.expect("newest");
            let next = newest[0].as_ref().map_or(1, |v| v.record.version + 1);
            let mut a: Admission = draft("observation", &id, next);
            a = a.of_client(&format!("C-{}", record % 2));
            if let Some(v) = &mut a.version {
                v.in_feed = true;
                // Two writers' versions must not be taken for repeats of each other.
                v.hash = crate::ids::Hash::sha256(format!("{me}-{n}").as_bytes());
            }
            for (job, to) in ids.iter().zip(PARTNERS) {
                let mut job = made(job, to, record);
                if record > 0 {
                    job.needs = vec![version("observation", &format!("M-{}", record - 1), 1)];
                }
                a = a.with(job);
            }
            match clinic.try_accept(a).await {
                Admitted::Stored => break,
                Admitted::Moved | Admitted::Conflict(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let after = seen.stamp.fetch_add(1, Ordering::SeqCst);
        for id in ids {
            lock(&seen.admitted).insert(id, (before, after));
        }
    }
}

/// A call that fails in the group of others: it may take nobody with it.
async fn fails(store: Arc<Postgres>) {
    for n in 0..EACH {
        let mut a =
            draft("observation", &format!("bad-{n}"), 1).with(job(&format!("B-{n}"), "ehr"));
        a.tenant = TenantId::new("clinic");
        // The same job twice in one admission.
        let twice = a.jobs[0].clone();
        a.jobs.push(twice);
        store.admit(a).await.expect_err("two jobs of one id");
    }
}

fn lane_of(job: &Claimed) -> String {
    let record: usize = job.record.id[2..].parse().expect("a number");
    made("", job.partner.as_str(), record).lane.0
}

/// Claims and settles until all is done. Now and then it lets a lease run out.
async fn works(store: Arc<Postgres>, seen: Arc<Seen>, random: u64) {
    let mut random = fastrand::Rng::with_seed(random);
    let clinic = Clinic::of(store.as_ref());
    while !seen.over.load(Ordering::SeqCst) {
        let now = seen.now.fetch_add(1, Ordering::SeqCst);
        let request = ClaimRequest {
            turn: 0,
            worker: "w".to_owned(),
            now: at(now),
            lease: std::time::Duration::from_secs(1_000_000),
            room: PARTNERS
                .iter()
                .map(|p| (clinic.tenant.clone(), partner(p), 3))
                .collect(),
        };
        let jobs = store.claim(request).await.expect("claim");
        if jobs.is_empty() {
            tokio::task::yield_now().await;
        }
        for job in &jobs {
            let lane = format!("{}/{}", job.partner, lane_of(job));
            assert!(
                lock(&seen.flight).insert(lane.clone()),
                "two in flight: {lane}"
            );
        }
        for job in jobs {
            let lane = format!("{}/{}", job.partner, lane_of(&job));
            let again = random.u8(..) < 40;
            let (state, reason) = if again {
                (State::Waiting, Reason::TryLater)
            } else {
                (State::Done, Reason::Delivered)
            };
            lock(&seen.flight).remove(&lane);
            if !again {
                lock(&seen.done).push(job.id.as_str().to_owned());
            }
            let report = settles(&job, state, reason, now);
            let late = report.clone();
            assert_eq!(clinic.report(report).await, Reported::Stored, "{}", job.id);
            assert_eq!(clinic.report(late).await, Reported::LeaseLost, "{}", job.id);
        }
    }
}

/// Reads the feed from where it was, as the clinic does.
async fn reads(store: Arc<Postgres>, seen: Arc<Seen>) -> Vec<(i64, String)> {
    let tenant = TenantId::new("clinic");
    let mut all: Vec<(i64, String)> = Vec::new();
    loop {
        let last = seen.over.load(Ordering::SeqCst);
        let after = all.last().map_or(0, |l| l.0);
        let page = store.feed(&tenant, after, 7).await.expect("a page");
        let empty = page.is_empty();
        for (position, v) in page {
            all.push((position, format!("{}/{}", v.record.id, v.record.version)));
        }
        if last && empty {
            return all;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_share_everything_and_keep_all_in_order() {
    let Some(database) = database() else { return };
    let nodes = [Arc::new(node(&database)), Arc::new(node(&database))];
    let seen = Arc::new(Seen::default());
    let total = WRITERS * EACH * PARTNERS.len();

    let mut writers = tokio::task::JoinSet::new();
    for me in 0..WRITERS {
        writers.spawn(accepts(Arc::clone(&nodes[me % 2]), Arc::clone(&seen), me));
    }
    writers.spawn(fails(Arc::clone(&nodes[0])));
    let mut workers = tokio::task::JoinSet::new();
    for me in 0..4 {
        workers.spawn(works(
            Arc::clone(&nodes[me % 2]),
            Arc::clone(&seen),
            me as u64,
        ));
    }
    let feed = tokio::spawn(reads(Arc::clone(&nodes[1]), Arc::clone(&seen)));
    while let Some(ended) = writers.join_next().await {
        ended.expect("a writer");
    }
    let until = tokio::time::timeout(std::time::Duration::from_secs(120), async {
        while lock(&seen.done).len() < total {
            assert!(!workers.is_empty());
            if let Some(ended) = workers.try_join_next() {
                ended.expect("a worker");
            }
            tokio::task::yield_now().await;
        }
    });
    until.await.expect("everything is delivered");
    seen.over.store(true, Ordering::SeqCst);
    while let Some(ended) = workers.join_next().await {
        ended.expect("a worker");
    }
    let feed = feed.await.expect("the feed");

    in_order(&nodes[0], &seen).await;
    let read: BTreeSet<&String> = feed.iter().map(|f| &f.1).collect();
    assert_eq!(feed.len(), WRITERS * EACH, "each entry once");
    assert_eq!(read.len(), WRITERS * EACH, "no entry twice");
    assert!(feed.windows(2).all(|w| w[0].0 < w[1].0));
    consistent(&database);
    let waiting = database.sql("SELECT count(*) FROM job");
    assert_eq!(
        waiting, "0",
        "what has ended has left the table of what moves"
    );
}

/// What was accepted before something else began has a lower seq, and lanes went in the order of seq.
async fn in_order(store: &Postgres, seen: &Seen) {
    let tenant = TenantId::new("clinic");
    let mut jobs = Vec::new();
    for record in 0..RECORDS {
        let chain = chain("observation", &format!("M-{record}"));
        jobs.extend(store.chain(&tenant, &chain).await.expect("a chain"));
    }
    let stamps = lock(&seen.admitted).clone();
    for a in &jobs {
        for b in jobs.iter().filter(|b| b.partner == a.partner) {
            let (first, second) = (stamps[a.id.as_str()], stamps[b.id.as_str()]);
            if first.1 < second.0 {
                assert!(a.seq < b.seq, "{} was accepted before {}", a.id, b.id);
            }
        }
    }
    let place: BTreeMap<&str, (i64, String)> = jobs
        .iter()
        .map(|j| {
            let record: usize = j.record.id[2..].parse().expect("a number");
            let lane = made("", j.partner.as_str(), record).lane.0;
            (j.id.as_str(), (j.seq, format!("{}/{lane}", j.partner)))
        })
        .collect();
    let mut last: BTreeMap<&String, i64> = BTreeMap::new();
    let done = lock(&seen.done).clone();
    for id in &done {
        let (seq, lane) = &place[id.as_str()];
        if let Some(before) = last.insert(lane, *seq) {
            assert!(before < *seq, "{id} went out of its lane's order");
        }
    }
}

/// Counters are as the rows are, and each lane is as its jobs have it.
pub(super) fn consistent(database: &Database) {
    let counters = database.sql(
        "SELECT * FROM (SELECT tenant, partner, state, n FROM count WHERE n <> 0 AND state <> 'made'
           UNION ALL SELECT tenant, partner, 'made', n FROM count WHERE state = 'made') c
         EXCEPT SELECT * FROM (SELECT tenant, partner, state, count(*) FROM any_job GROUP BY 1, 2, 3
           UNION ALL SELECT tenant, partner, 'made', count(*) FROM any_job GROUP BY 1, 2) r",
    );
    assert_eq!(counters, "", "counters that are not as the rows are");
    let lanes = database.sql(
        "WITH wanted AS (SELECT DISTINCT tenant, partner, lane FROM job WHERE rank IS NOT NULL)
         SELECT w.*, l.head, (lane_first(w.tenant, w.partner, w.lane)).seq FROM wanted w
           LEFT JOIN lane l USING (tenant, partner, lane)
         WHERE l.head IS DISTINCT FROM (lane_first(w.tenant, w.partner, w.lane)).seq
           OR (l.mode IN (1, 3)) IS DISTINCT FROM
             (lane_mode(lane_first(w.tenant, w.partner, w.lane), 0) IN (1, 3))",
    );
    assert_eq!(lanes, "", "lanes that are not as their jobs have them");
    let idle = database.sql(
        "SELECT l.* FROM lane l WHERE NOT EXISTS (SELECT 1 FROM job j WHERE j.tenant = l.tenant
           AND j.partner = l.partner AND j.lane = l.lane AND j.rank IS NOT NULL)",
    );
    assert_eq!(idle, "", "lanes without jobs");
}
