//! Records, their resources, what leans on them, and the feed.

use super::make::*;
use crate::sync::ports::{Admission, ResourceRow, Store};

fn names(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter()
        .map(|(k, i)| ((*k).to_owned(), (*i).to_owned()))
        .collect()
}

pub(in crate::store) async fn the_newest_version_is_found_and_any_version_by_name(
    store: &dyn Store,
) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    for v in [1, 3, 12] {
        clinic.accept(draft("observation", "M-1", v)).await;
    }
    clinic.accept(draft("care-plan", "M-1", 1)).await;
    let wanted = names(&[
        ("care-plan", "M-1"),
        ("observation", "no"),
        ("observation", "M-1"),
    ]);
    let found = store.newest(t, &wanted).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|v| v.map(|v| v.record)).collect();
    assert_eq!(
        found,
        [
            Some(version("care-plan", "M-1", 1)),
            None,
            Some(version("observation", "M-1", 12))
        ]
    );
    let wanted = [
        version("observation", "M-1", 3),
        version("observation", "M-1", 2),
        version("observation", "M-1", 1),
    ];
    let found = store.versions(t, &wanted).await.unwrap();
    let bodies: Vec<_> = found
        .iter()
        .map(|v| v.as_ref().map(|v| v.body.len()))
        .collect();
    assert_eq!(bodies, [Some(33), None, Some(33)]);
    assert_eq!(found[0].as_ref().unwrap().record.version, 3);
}

fn resource(id: &str, part: &str, text: &str) -> ResourceRow {
    ResourceRow {
        resource_type: "Observation".to_owned(),
        id: id.to_owned(),
        part: part.to_owned(),
        profiles: String::new(),
        bytes: text.as_bytes().to_vec(),
    }
}

pub(in crate::store) async fn resources_keep_their_ids_and_count_up(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    let with = |v: u64, resources: Vec<ResourceRow>| Admission {
        resources,
        ..draft("observation", "M-1", v)
    };
    clinic
        .accept(with(
            1,
            vec![resource("A", "", "a1"), resource("B", "item/1", "b1")],
        ))
        .await;
    // A part is left out: its last row stays to be found.
    clinic.accept(with(4, vec![resource("A", "", "a2")])).await;
    let found = store.resources(t, "observation", "M-1").await.unwrap();
    assert_eq!(
        found,
        [resource("A", "", "a2"), resource("B", "item/1", "b1")]
    );
    let story = store.story(t, "observation", "M-1").await.unwrap().unwrap();
    let rows: Vec<_> = story
        .resources
        .iter()
        .map(|(_, id, part, own, record, _)| (id.as_str(), part.as_str(), *own, *record))
        .collect();
    assert_eq!(
        rows,
        [("A", "", 1, 1), ("B", "item/1", 1, 1), ("A", "", 2, 4)]
    );
    for (id, limit, expected) in [
        ("A", 9, vec![(4, b"a2".to_vec()), (1, b"a1".to_vec())]),
        ("A", 1, vec![(4, b"a2".to_vec())]),
        ("B", 9, vec![(1, b"b1".to_vec())]),
        ("C", 9, vec![]),
    ] {
        let versions = store.resource_versions(t, "Observation", id, limit);
        assert_eq!(versions.await.unwrap(), expected, "{id}");
    }
    let owner = store.resource_owner(t, "Observation", "B").await.unwrap();
    assert_eq!(owner, Some(("observation".to_owned(), "M-1".to_owned())));
    assert_eq!(store.resource_owner(t, "Patient", "B").await.unwrap(), None);
    assert!(
        store
            .resources(t, "observation", "M-2")
            .await
            .unwrap()
            .is_empty()
    );
}

pub(in crate::store) async fn consents_of_a_client_at_their_newest(store: &dyn Store) {
    let clinic = Clinic::of(store);
    for (id, v, client) in [
        ("CS-1", 1, "C-1"),
        ("CS-1", 2, "C-1"),
        ("CS-2", 1, "C-1"),
        ("CS-3", 1, "C-2"),
    ] {
        clinic
            .accept(draft("consent", id, v).of_client(client))
            .await;
    }
    clinic
        .accept(draft("episode", "E-1", 1).of_client("C-1"))
        .await;
    let found = store.consents(&clinic.tenant, "C-1").await.unwrap();
    let found: Vec<_> = found.into_iter().map(|v| v.record).collect();
    assert_eq!(
        found,
        [version("consent", "CS-1", 2), version("consent", "CS-2", 1)]
    );
    assert!(
        store
            .consents(&clinic.tenant, "C-9")
            .await
            .unwrap()
            .is_empty()
    );
}

pub(in crate::store) async fn who_leans_on_a_record(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    clinic.accept(draft("medication-request", "RX-1", 1)).await;
    assert!(
        !store
            .referred_to(t, "medication-request", "RX-1")
            .await
            .unwrap()
    );
    // Its own later version that names it is nobody else.
    let own = [version("medication-request", "RX-1", 1)];
    clinic
        .accept(draft("medication-request", "RX-1", 2).leans_on(&own))
        .await;
    assert!(
        !store
            .referred_to(t, "medication-request", "RX-1")
            .await
            .unwrap()
    );
    clinic
        .accept(draft("care-plan", "P-1", 1).leans_on(&own))
        .await;
    assert!(
        store
            .referred_to(t, "medication-request", "RX-1")
            .await
            .unwrap()
    );
    assert!(
        !store
            .referred_to(t, "medication-request", "RX-2")
            .await
            .unwrap()
    );
}

pub(in crate::store) async fn the_feed_goes_on_in_commit_order(store: &dyn Store) {
    let clinic = Clinic::of(store);
    let t = &clinic.tenant;
    let back = |id: &str, in_feed: bool| {
        let mut a = draft("dispense", id, 1);
        if let Some(v) = &mut a.version {
            v.in_feed = in_feed;
        }
        a
    };
    clinic.accept(back("F-1", true)).await;
    clinic.accept(back("F-2", false)).await;
    clinic.accept(back("F-3", true)).await;
    let all = store.feed(t, 0, 10).await.unwrap();
    let ids: Vec<_> = all.iter().map(|(_, v)| v.record.id.as_str()).collect();
    assert_eq!(ids, ["F-1", "F-3"]);
    assert!(all[0].0 < all[1].0);
    let next = store.feed(t, all[0].0, 10).await.unwrap();
    assert_eq!(next.len(), 1);
    assert_eq!(store.feed(t, 0, 1).await.unwrap()[0].1.record.id, "F-1");
    // Whoever writes at once: each position is told once, and none comes before one that was told.
    let writers = (0..8).map(|n| {
        let back = back(&format!("W-{n}"), true);
        let clinic = clinic.clone();
        async move { clinic.accept(back).await }
    });
    let mut seen = all[1].0;
    let mut heard = 0;
    let reader = async {
        while heard < 8 {
            for (position, _) in store.feed(t, seen, 3).await.unwrap() {
                assert!(position > seen);
                seen = position;
                heard += 1;
            }
            tokio::task::yield_now().await;
        }
    };
    let all = futures_util::future::join_all(writers);
    let both = futures_util::future::join(all, reader);
    tokio::time::timeout(lease(), both)
        .await
        .expect("all heard");
    assert!(store.feed(t, seen, 9).await.unwrap().is_empty());
}
