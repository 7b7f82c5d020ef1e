//! The checker of `tests/faults` finds what was planted, and nothing else.

#[path = "../faults/check/mod.rs"]
mod check;

use std::time::Duration;

use check::{Book, Evidence, Job, Line, Moved, Name, Sent, Took, Wrong, check, shown};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn name(id: &str, version: u64) -> Name {
    ("observation".into(), id.into(), version)
}

fn job(seq: i64, lane: &str, name: Name) -> Job {
    Job {
        seq,
        id: format!("J{seq}"),
        partner: "ehr".into(),
        lane: lane.into(),
        name,
        purpose: "copy".into(),
        state: "done".into(),
        reason: "delivered".into(),
        ..Job::default()
    }
}

fn took(name: &str) -> Took {
    Took {
        name: name.into(),
        created: true,
    }
}

fn write(job: &Job, resource: &str, at: u64) -> Line {
    Line {
        begun: ms(at),
        at: ms(at + 1),
        ended: ms(at + 2),
        method: "POST".into(),
        record: Some(shown(&job.name)),
        job: Some(job.id.clone()),
        took: vec![took(resource)],
        status: 201,
        ..Line::default()
    }
}

fn sent(name: Name) -> Sent {
    Sent {
        name,
        answered: true,
        ends: false,
        pharmacy: None,
    }
}

fn count(evidence: &mut Evidence) {
    evidence.counts.clear();
    for job in &evidence.jobs {
        let key = (job.partner.clone(), job.state.clone());
        *evidence.counts.entry(key).or_default() += 1;
    }
    evidence.made = i64::try_from(evidence.jobs.len()).expect("few");
}

/// Two records of one patient at an EHR, an order at a pharmacy: all well.
fn well() -> Evidence {
    let (a, b) = (job(1, "P", name("a", 1)), job(2, "P", name("b", 1)));
    let order: Name = ("medication-request".into(), "rx".into(), 1);
    let rx = Job {
        partner: "pharmacy".into(),
        purpose: "newrx".into(),
        message: Some("M1".into()),
        ..job(3, "rx", order.clone())
    };
    let taken = Line {
        record: None,
        job: None,
        message: Some("M1".into()),
        ..write(&rx, "M1", 30)
    };
    let mut evidence = Evidence {
        sent: vec![
            sent(name("a", 1)),
            sent(name("b", 1)),
            Sent {
                pharmacy: Some("pharmacy".into()),
                ..sent(order.clone())
            },
        ],
        stored: [name("a", 1), name("b", 1), order].into(),
        books: vec![
            Book {
                partner: "ehr".into(),
                kinds: vec!["observation".into()],
                lines: vec![
                    write(&a, "Observation/1", 10),
                    write(&b, "Observation/2", 20),
                ],
                kept: vec![
                    ("Observation/1".into(), vec!["https://c/id/x|a".into()]),
                    ("Observation/2".into(), vec!["https://c/id/x|b".into()]),
                ],
                ..Book::default()
            },
            Book {
                partner: "pharmacy".into(),
                kinds: vec!["medication-request".into()],
                pharmacy: true,
                lines: vec![taken],
                live: vec![("rx".into(), "M1".into())],
                ..Book::default()
            },
        ],
        done: vec![(1, "Observation/1".into()), (2, "Observation/2".into())],
        jobs: vec![a, b, rx],
        integrity: "ok".into(),
        attempts_max: 3,
        rests: true,
        ..Evidence::default()
    };
    count(&mut evidence);
    evidence
}

/// What is found once something was planted.
fn planted(plant: impl FnOnce(&mut Evidence)) -> Vec<Wrong> {
    let mut evidence = well();
    plant(&mut evidence);
    check(&evidence).counts.into_keys().collect()
}

#[test]
fn nothing_is_found_where_all_is_well() {
    let found = check(&well());
    assert!(found.broken.is_empty(), "{:?}", found.broken);
}

#[test]
fn a_loss_is_found() {
    let at = |wrong| vec![wrong];
    let unstored = |e: &mut Evidence| assert!(e.stored.remove(&name("a", 1)));
    assert!(planted(unstored).contains(&Wrong::Lost));
    assert_eq!(
        planted(|e| e.sent.remove(0).answered = false),
        at(Wrong::Undue)
    );
    assert_eq!(
        planted(|e| {
            e.jobs.remove(0);
            e.books[0].lines.remove(0);
            count(e);
        }),
        at(Wrong::Lost)
    );
    assert_eq!(
        planted(|e| e.books[0].lines[0].took.clear()),
        at(Wrong::Lost)
    );
    assert_eq!(
        planted(|e| drop(e.books[0].kept.remove(0))),
        at(Wrong::Lost)
    );
    assert_eq!(
        planted(|e| e.books[1].lines[0].took.clear()),
        at(Wrong::Lost)
    );
    assert_eq!(planted(|e| e.books[1].live.clear()), at(Wrong::Lost));
}

#[test]
fn what_is_there_twice_is_found() {
    let twice = |evidence: &mut Evidence| {
        let mut again = evidence.books[0].lines[1].clone();
        again.begun = ms(50);
        again.at = ms(51);
        again.ended = ms(52);
        evidence.books[0].lines.push(again);
    };
    assert_eq!(planted(twice), vec![Wrong::Doubled]);
    // Each effect of a transaction counts for itself.
    let together = |e: &mut Evidence| {
        let goal = |n: u64| took(&format!("Goal/{n}"));
        e.books[0].lines[0].took.extend([goal(1), goal(2)]);
    };
    assert_eq!(planted(together), vec![]);
    let one_again = |e: &mut Evidence| {
        together(e);
        let mut again = e.books[0].lines[0].clone();
        again.took = vec![took("Goal/2")];
        (again.begun, again.at, again.ended) = (ms(15), ms(16), ms(17));
        e.books[0].lines.push(again);
    };
    assert_eq!(planted(one_again), vec![Wrong::Doubled]);
    let names = |e: &mut Evidence| e.books[0].kept[1].1 = vec!["https://c/id/x|a".into()];
    assert_eq!(planted(names), vec![Wrong::Doubled]);
    let live = |e: &mut Evidence| e.books[1].live.push(("rx".into(), "M2".into()));
    assert_eq!(planted(live), vec![Wrong::Doubled]);
    let once = |e: &mut Evidence| e.books[1].live_twice.push("rx".into());
    assert_eq!(planted(once), vec![Wrong::Doubled]);
    let job = |e: &mut Evidence| {
        let mut again = e.jobs[0].clone();
        (again.seq, again.id) = (9, "J9".into());
        e.jobs.push(again);
        count(e);
    };
    assert_eq!(planted(job), vec![Wrong::Doubled]);
}

#[test]
fn disorder_and_overlap_are_found() {
    let turned = |e: &mut Evidence| {
        let lines = &mut e.books[0].lines;
        (lines[0].begun, lines[0].at, lines[0].ended) = (ms(40), ms(41), ms(42));
    };
    assert_eq!(planted(turned), vec![Wrong::Disordered]);
    let at_once = |e: &mut Evidence| e.books[0].lines[0].ended = ms(500);
    assert_eq!(planted(at_once), vec![Wrong::Overlapped]);
    // Of two lanes, that is as it should be.
    let lanes = |e: &mut Evidence| {
        e.books[0].lines[0].ended = ms(500);
        e.jobs[0].lane = "Q".into();
    };
    assert_eq!(planted(lanes), vec![]);
}

#[test]
fn what_nobody_accepted_is_found() {
    let record = |e: &mut Evidence| e.books[0].lines[0].record = Some("observation/z/1".into());
    assert!(planted(record).contains(&Wrong::Undue));
    let message = |e: &mut Evidence| {
        let mut other = e.books[1].lines[0].clone();
        other.message = Some("M9".into());
        other.took = vec![took("M9")];
        e.books[1].lines.push(other);
    };
    assert_eq!(planted(message), vec![Wrong::Undue]);
}

#[test]
fn what_makes_no_sense_to_a_partner_is_found() {
    for status in [400, 405] {
        let odd = |e: &mut Evidence| {
            let odd = Line {
                status,
                ..Line::default()
            };
            e.books[0].lines.push(odd);
        };
        assert_eq!(planted(odd), vec![Wrong::Senseless]);
    }
}

#[test]
fn counters_and_rows_are_compared() {
    let counter = |e: &mut Evidence| *e.counts.values_mut().next().expect("one") += 1;
    assert_eq!(planted(counter), vec![Wrong::Miscounted]);
    assert_eq!(planted(|e| e.made += 1), vec![Wrong::Miscounted]);
    let astray = |e: &mut Evidence| e.astray.push("an effect without a job".into());
    assert_eq!(planted(astray), vec![Wrong::Miscounted]);
    assert_eq!(planted(|e| e.jobs[0].attempts = 1), vec![Wrong::Miscounted]);
    let damaged = |e: &mut Evidence| e.integrity = "row 3 missing from index".into();
    assert_eq!(planted(damaged), vec![Wrong::Damaged]);
}

#[test]
fn impatience_is_found() {
    let tries = |e: &mut Evidence| (e.jobs[0].attempts, e.jobs[0].charged) = (4, 4);
    assert_eq!(planted(tries), vec![Wrong::Impatient]);
    let asked = |until: u64| {
        move |e: &mut Evidence| {
            let line = Line {
                begun: ms(11),
                ended: ms(12),
                status: 429,
                retry_after: Some(ms(until)),
                ..Line::default()
            };
            e.books[0].lines.push(line);
            let late = &mut e.books[0].lines[1];
            (late.begun, late.at, late.ended) = (ms(2000), ms(2001), ms(2002));
        }
    };
    assert_eq!(planted(asked(3000)), vec![Wrong::Impatient]);
    assert_eq!(planted(asked(1000)), vec![]);
    let under_way = |e: &mut Evidence| {
        asked(3000)(e);
        e.on_its_way = ms(1990);
    };
    assert_eq!(planted(under_way), vec![]);
}

#[test]
fn what_moves_again_or_never_rests_is_found() {
    let moves = |from: &str, to: &str, acted: bool| {
        let moved = Moved {
            seq: 1,
            from: from.into(),
            to: to.into(),
            acted,
        };
        planted(|e| e.moved.push(moved))
    };
    assert_eq!(moves("done", "waiting", false), vec![Wrong::Revived]);
    assert_eq!(moves("parked", "done", false), vec![Wrong::Revived]);
    assert_eq!(moves("parked", "done", true), vec![]);
    assert_eq!(moves("parked", "superseded", false), vec![]);
    assert_eq!(moves("waiting", "sending", false), vec![]);
    for state in ["waiting", "asking", "parked"] {
        let stays = |e: &mut Evidence| {
            e.jobs[0].state = state.into();
            count(e);
        };
        assert_eq!(planted(stays), vec![Wrong::Unfinished], "{state}");
    }
}

#[test]
fn a_cancelled_order_that_is_live_is_found() {
    let ends = |e: &mut Evidence| e.sent[2].ends = true;
    assert_eq!(planted(ends), vec![Wrong::Uncancelled]);
    let taken_back = |e: &mut Evidence| {
        e.sent[2].ends = true;
        e.books[1].live.clear();
    };
    assert_eq!(planted(taken_back), vec![]);
}

#[test]
fn all_of_a_kind_are_counted_and_a_few_are_told() {
    let mut found = check::Found::default();
    for n in 0..9 {
        found.add(Wrong::Held, format!("the {n}th"));
    }
    let mut other = check::Found::default();
    other.add(Wrong::Told, "a name");
    found.extend(other);
    assert_eq!((found.count(Wrong::Held), found.count(Wrong::Told)), (9, 1));
    let told: Vec<_> = found.broken.iter().map(|b| (b.wrong, &*b.says)).collect();
    assert_eq!(told.len(), 6);
    assert_eq!(told[5], (Wrong::Told, "a name"));
}
