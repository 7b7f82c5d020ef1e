//! Updates of an EHR's copy: faults, stale versions, copies that changed or went away.

use super::wire::{CONDITIONAL, ways};
use super::*;
use crate::demo::sim::Fault;

#[tokio::test]
async fn each_fault_of_an_update_means_what_it_means() {
    use Charge::{Message, Partner};
    use Verdict::{Accepted, Busy, Refused, Unsure};
    for (fault, expected, effect_there) in [
        (None, (Accepted, Reason::Delivered, Message), true),
        (
            Some(Fault::Unavailable),
            (Busy, Reason::Unavailable, Partner),
            false,
        ),
        (
            Some(Fault::Refused),
            (Refused, Reason::Refused, Message),
            false,
        ),
        (
            Some(Fault::ErrorIn200),
            (Refused, Reason::Refused, Message),
            false,
        ),
        (
            Some(Fault::ServerError),
            (Unsure, Reason::ServerError, Message),
            false,
        ),
        (
            Some(Fault::ServerErrorAfter),
            (Unsure, Reason::ServerError, Message),
            true,
        ),
        (
            Some(Fault::ResetAfter),
            (Unsure, Reason::Reset, Message),
            true,
        ),
        (
            Some(Fault::Silent),
            (Unsure, Reason::TimedOut, Message),
            false,
        ),
    ] {
        let mut bench = Bench::new(CONDITIONAL, Options::default()).await;
        let first = bench.effect("1.0");
        assert_eq!(bench.deliver(&first).await.verdict, Accepted);
        bench.version = 2;
        let second = bench.effect("2.0");
        bench.sim.faults().writes([fault]);
        let answer = bench.deliver(&second).await;
        assert_eq!(meaning(&answer), expected, "{fault:?}");
        let value =
            || bench.sim.of_type("Observation")[0].resource["valueQuantity"]["value"].to_string();
        assert_eq!(
            value(),
            if effect_there { "2.0" } else { "1.0" },
            "{fault:?}"
        );
        if answer.verdict == Unsure {
            let settled = bench.ask(&second).await;
            let expected = if effect_there {
                (Accepted, Reason::FoundThere, Message)
            } else {
                (Busy, Reason::NotThere, Message)
            };
            assert_eq!(meaning(&settled), expected, "{fault:?}");
        }
        assert_eq!(bench.deliver(&second).await.verdict, Accepted, "{fault:?}");
        assert_eq!(
            bench.sim.of_type("Observation")[0].resource["valueQuantity"]["value"].to_string(),
            "2.0"
        );
        assert_eq!(
            (bench.sim.duplicates(), bench.sim.order_violations()),
            (0, 0)
        );
    }
}

#[tokio::test]
async fn a_stale_update_that_is_ours_already_is_accepted() {
    let mut bench = Bench::new(CONDITIONAL, Options::default()).await;
    let first = bench.effect("1");
    bench.deliver(&first).await;
    let second = bench.effect("2");
    bench.sim.faults().writes([Some(Fault::ResetAfter)]);
    assert_eq!(bench.deliver(&second).await.verdict, Verdict::Unsure);
    // Nobody asked; it is sent again with the version known before.
    let answer = bench.deliver(&second).await;
    assert_eq!(
        meaning(&answer),
        (Verdict::Accepted, Reason::AlreadyThere, Charge::Message)
    );
    assert_eq!(answer.remote.and_then(|r| r.version), Some("2".into()));
    assert_eq!(bench.sim.of_type("Observation")[0].version, 2);
}

#[tokio::test]
async fn a_copy_that_changed_there_is_written_over_or_parked_as_the_config_says() {
    for (policy, expected, value) in [
        ("overwrite", (Verdict::Accepted, Reason::Delivered), "2"),
        ("park", (Verdict::Refused, Reason::Conflict), "1"),
    ] {
        let keys = format!("{CONDITIONAL}\non_change = \"{policy}\"");
        let mut bench = Bench::new(&keys, Options::default()).await;
        let first = bench.effect("1");
        let id = bench.deliver(&first).await.remote.expect("remote").id;
        bench
            .sim
            .edit("Observation", &id, |o| o["status"] = json!("amended"));
        let second = bench.effect("2");
        let answer = bench.deliver(&second).await;
        assert_eq!((answer.verdict, answer.reason), expected);
        let kept = &bench.sim.of_type("Observation")[0].resource;
        assert_eq!(kept["valueQuantity"]["value"].to_string(), value);
    }
}

#[tokio::test]
async fn an_update_that_only_takes_away_is_not_taken_for_arrived() {
    let mut bench = Bench::new(CONDITIONAL, Options::default()).await;
    let first = bench.effect("1");
    let id = bench.deliver(&first).await.remote.expect("remote").id;
    // The EHR has more than the newer version, and its version moved on for another reason.
    bench.sim.edit("Observation", &id, |o| {
        o["valueQuantity"] = json!({"value": 2, "unit": "mg"});
        o["note"] = json!([{"text": "added"}]);
    });
    let second = bench.effect("2");
    assert_eq!(bench.ask(&second).await.reason, Reason::NotThere);
    assert_eq!(bench.deliver(&second).await.reason, Reason::Delivered);
    let kept = &bench.sim.of_type("Observation")[0].resource;
    assert!(kept.get("note").is_none());
}

#[tokio::test]
async fn a_cancel_makes_nothing_that_was_not_there() {
    for (keys, options) in ways() {
        let mut bench = Bench::new(keys, options).await;
        let mut effect = bench.effect("1");
        bench.purpose = Purpose::Cancel;
        let answer = bench.deliver(&effect).await;
        assert_eq!(
            meaning(&answer),
            (Verdict::Accepted, Reason::NothingThere, Charge::Message)
        );
        assert!(bench.sim.of_type("Observation").is_empty());
        // A lost answer left it there without a row.
        bench.purpose = Purpose::Copy;
        bench.sim.faults().writes([Some(Fault::ResetAfter)]);
        assert_eq!(bench.deliver(&effect).await.verdict, Verdict::Unsure);
        bench.purpose = Purpose::Cancel;
        effect = bench.effect("9");
        assert_eq!(bench.deliver(&effect).await.reason, Reason::Delivered);
        let kept = bench.sim.of_type("Observation");
        assert_eq!((kept.len(), kept[0].version), (1, 2));
    }
}

#[tokio::test]
async fn a_copy_that_keeps_changing_is_tried_again_later() {
    let mut bench = Bench::new(CONDITIONAL, Options::default()).await;
    let first = bench.effect("1");
    bench.deliver(&first).await;
    bench
        .sim
        .faults()
        .writes([Some(Fault::Stale), Some(Fault::Conflict)]);
    let second = bench.effect("2");
    assert_eq!(
        meaning(&bench.deliver(&second).await),
        (Verdict::Busy, Reason::Conflict, Charge::Message)
    );
}

#[tokio::test]
async fn a_copy_that_was_deleted_there_is_gone() {
    let mut bench = Bench::new(CONDITIONAL, Options::default()).await;
    let effect = bench.effect("1");
    let id = bench.deliver(&effect).await.remote.expect("remote").id;
    bench.sim.delete("Observation", &id);
    assert_eq!(
        meaning(&bench.deliver(&effect).await),
        (Verdict::Refused, Reason::Gone, Charge::Message)
    );
    assert_eq!(bench.ask(&effect).await.reason, Reason::NotThere);
}

#[tokio::test]
async fn what_was_never_there_is_not_retracted() {
    let mut bench = Bench::new(CONDITIONAL, Options::default()).await;
    let mut effect = bench.effect("1");
    effect.kind = EffectKind::Retract;
    assert_eq!(bench.deliver(&effect).await.reason, Reason::NotNeeded);
    assert!(bench.sim.of_type("Observation").is_empty());
}

#[tokio::test]
async fn an_ehr_without_versions_is_asked_by_content() {
    let options = Options {
        if_match: false,
        ..Options::default()
    };
    let mut bench = Bench::new("if_match = false", options).await;
    let first = bench.effect("1");
    bench.deliver(&first).await;
    for row in bench.rows.values_mut() {
        row.1 = None;
    }
    let second = bench.effect("2.00");
    assert_eq!(bench.ask(&second).await.reason, Reason::NotThere);
    assert_eq!(bench.deliver(&second).await.verdict, Verdict::Accepted);
    assert_eq!(bench.ask(&second).await.reason, Reason::FoundThere);
}
