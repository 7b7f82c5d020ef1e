//! The config's own tests: the manual is complete and true, and everything wrong is told at once.

use std::path::Path;
use std::rc::Rc;

use super::*;

/// The manual with its examples switched on.
fn switched_on() -> String {
    DEFAULT
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Reads without a folder that holds the key file: what is wrong, and which keys were asked for.
fn faults(text: &str) -> (Vec<String>, std::collections::BTreeSet<String>) {
    let notes = Rc::default();
    let faults = match Config::parse_noting(text, Path::new("/nonexistent"), &notes) {
        Ok(_) => Vec::new(),
        Err(Faults(faults)) => faults,
    };
    (faults, notes.keys())
}

fn keys_of(table: &toml::Table, path: &str, out: &mut std::collections::BTreeSet<String>) {
    for (key, value) in table {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match value {
            toml::Value::Table(inner) => keys_of(inner, &path, out),
            toml::Value::Array(items) => {
                for item in items.iter().filter_map(toml::Value::as_table) {
                    keys_of(item, &path, out);
                }
            }
            _ => {}
        }
        out.insert(path);
    }
}

#[test]
fn the_manual_names_every_key_that_is_read_and_no_other() {
    let text = switched_on();
    let (_, asked) = faults(&text);
    let table: toml::Table = toml::from_str(&text).expect("the examples are TOML");
    let mut shown = std::collections::BTreeSet::new();
    keys_of(&table, "", &mut shown);
    let free = [
        "delivery.last_send_by_schedule_s.",
        "validator.rules.",
        "partners.rules.",
    ];
    shown.retain(|k| !free.iter().any(|name| k.starts_with(name)));
    assert_eq!(asked, shown);
}

#[test]
fn the_values_in_the_manual_are_the_defaults() {
    let (faults, _) = faults(&switched_on());
    // Only files, which a manual cannot bring, and the partners' own keys may be missing.
    assert!(
        faults
            .iter()
            .all(|f| f.starts_with("tenants[clinic].key_file:")
                || f.starts_with("partners[")
                || f.starts_with("store.password_file:")
                || f.starts_with("store.ca_file:")),
        "{faults:?}"
    );
    let root: toml::Table = toml::from_str(DEFAULT).expect("TOML");
    let notes: Rc<Notes> = Rc::default();
    let mut said = Reader::root(root, &notes);
    let mut unsaid = Reader::root(
        toml::from_str("[store]\npath = \"x\"").expect("TOML"),
        &notes,
    );
    assert_eq!(
        format!("{:?}", settings::server(&mut said)),
        format!("{:?}", settings::server(&mut unsaid))
    );
    assert_eq!(
        format!("{:?}", settings::log(&mut said)),
        format!("{:?}", settings::log(&mut unsaid))
    );
    assert_eq!(
        format!("{:?}", settings::core(&mut said)),
        format!("{:?}", settings::core(&mut unsaid))
    );
    assert_eq!(
        store::read(&mut said, Path::new("")).map(|s| s.free_mb_min),
        store::read(&mut unsaid, Path::new("")).map(|s| s.free_mb_min)
    );
    // The same for what only the other engine has.
    let server = |text: &str| {
        let mut reader = Reader::root(toml::from_str(text).expect("TOML"), &notes);
        let store = store::read(&mut reader, Path::new("")).expect("a store");
        format!("{store:?}")
    };
    let url = "url = \"postgres://gateway@127.0.0.1/gateway\"";
    let unsaid = server(&format!("[store]\n{url}"));
    assert_eq!(
        server(&DEFAULT.replace("url = \"sqlite:data/gateway.db\"", url)),
        unsaid
    );
}

#[test]
fn everything_wrong_is_told_at_once_by_key_and_never_by_value() {
    let text = r#"
        [server]
        listen = "s3cr3t"
        lisen = 1
        [store]
        path = "x.db"
        [delivery]
        lease_s = 32
        [limits]
        depth_max = 100000
        [[tenants]]
        id = "one"
        base = "https://one.example/"
        zone = "Mars/Olympus"
        key_file = "none.key"
        [[tenants]]
        id = "one"
        base = "https://two.example"
        zone = "UTC"
        key_file = "none.key"
        [[partners]]
        id = "p"
        kind = "s3cr3t"
        [[partners]]
        tenant = "one"
        id = "ehr"
        kind = "ehr-fhir"
        url = "s3cr3t"
        nonsense = "s3cr3t"
        [[partners]]
        tenant = "one"
        id = "hook"
        kind = "clinic-webhook"
        url = "https://clinic.example/hook"
        secret = "s3cr3t"
        [[routes]]
        tenant = "one"
        to = "hook"
        relay_from = "ehr"
        [[routes]]
        tenant = "one"
        to = "q"
        kinds = ["observation", "s3cr3t"]
        [[tokens]]
        tenant = "one"
        name = "t"
        sha256 = "s3cr3t"
        rights = ["submit", "inbound:q", "s3cr3t"]
    "#;
    let (faults, _) = faults(text);
    let keys: Vec<&str> = faults.iter().filter_map(|f| f.split(": ").next()).collect();
    for key in [
        "server.listen",
        "server.lisen",
        "limits.depth_max",
        "tenants[one].base",
        "tenants[one].zone",
        "tenants[one].key_file",
        "tenants[one].id",
        "partners[p].tenant",
        "partners[p].timeout_ms",
        "partners[p].kind",
        "partners[ehr].url",
        "partners[ehr].nonsense",
        "routes[hook].to",
        "routes[q].to",
        "routes[q].kinds",
        "tokens[t].sha256",
        "tokens[t].rights",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    assert!(!faults.join("\n").contains("s3cr3t"), "{faults:?}");
}

#[test]
fn a_file_that_is_no_toml_is_told_by_its_line_and_not_by_its_text() {
    let (faults, _) = faults("[server]\nlisten = s3cr3t");
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("line 2: "), "{faults:?}");
    assert!(!faults[0].contains("s3cr3t"), "{faults:?}");
}

#[test]
fn the_manual_is_itself_a_file_that_can_be_read() {
    let (faults, _) = faults(&manual());
    assert_eq!(
        faults,
        [
            "tenants: there must be at least one [[tenants]] block",
            "tokens: there must be at least one [[tokens]] block: without one nobody may do anything"
        ]
    );
}

#[test]
fn a_partners_files_are_found_beside_the_config_and_must_be_there() {
    let text = "[store]\npath = \"x.db\"\n[[tenants]]\nid = \"t\"\nbase = \"https://t.example\"\nzone = \"UTC\"\n\
                key_file = \"Cargo.toml\"\n[[partners]]\nid = \"p\"\nkind = \"none\"\ntoken_file = \"nowhere\"\n\
                [partners.auth]\nca_file = \"Cargo.toml\"\n[[tokens]]\nname = \"n\"\n\
                sha256 = \"5f0c0a4a4e2f6f3d0d6b6d8d8b7c0c5a2f1e3d4c5b6a79880716253443526170\"\nrights = [\"read\"]";
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Err(Faults(faults)) = Config::parse(text, home) else {
        panic!("a kind that is none");
    };
    assert!(
        faults.contains(&"partners[p].token_file: cannot be read: entity not found".to_owned())
    );
    assert!(!faults.iter().any(|f| f.contains("ca_file")), "{faults:?}");
}

#[test]
fn a_whole_config_becomes_tenants_partners_routes_and_callers() {
    let text = r#"
        [store]
        path = "x.db"
        [retry]
        schedule_s = [1, 2]
        [[tenants]]
        id = "clinic"
        base = "https://clinic.example"
        zone = "America/New_York"
        key_file = "Cargo.toml"
        [[partners]]
        id = "ehr"
        kind = "ehr-fhir"
        url = "http://127.0.0.1:1/fhir"
        bearer_file = "Cargo.toml"
        order = "patient"
        [partners.retry]
        asks_max = 3
        [[partners]]
        id = "own"
        kind = "clinic-webhook"
        url = "http://127.0.0.1:1/hook"
        secret_file = "Cargo.toml"
        [[routes]]
        to = "ehr"
        kinds = ["client", "observation"]
        [[tokens]]
        name = "clinic-system"
        sha256 = "5f0c0a4a4e2f6f3d0d6b6d8d8b7c0c5a2f1e3d4c5b6a79880716253443526170"
        rights = ["submit", "inbound:ehr"]
    "#;
    let config = Config::parse(text, Path::new(env!("CARGO_MANIFEST_DIR"))).expect("good");
    assert_eq!(config.partners.len(), 2);
    let ehr = &config.partners[0];
    assert_eq!(
        (ehr.policy.schedule_s.as_slice(), ehr.policy.asks_max),
        (&[1, 2][..], 3)
    );
    let facts = partners::build(ehr, &config.tenants[0])
        .expect("good")
        .facts()
        .clone();
    assert!(facts.order_by_patient);
    assert_eq!((facts.timeout_ms, facts.concurrency_max), (30_000, 4));
    assert_eq!(
        config.warnings,
        [
            "partners[own]: no route names it: it gets nothing",
            "tokens: nobody has the right \"operate\""
        ]
    );
}

/// What is wrong with a `[store]` table.
fn store_faults(keys: &str) -> Vec<String> {
    let (faults, _) = faults(&format!("[store]\n{keys}"));
    let own = faults.into_iter().filter(|f| f.starts_with("store."));
    own.collect()
}

#[test]
fn the_store_is_told_by_its_url() {
    for good in [
        "url = \"sqlite:x.db\"",
        "path = \"x.db\"",
        "url = \"sqlite:x.db\"\npath = \"x.db\"",
        "url = \"postgres://gateway@db.example:5433/gateway\"",
        "url = \"postgresql://gateway@%2Frun%2Fpostgresql/gateway\"",
    ] {
        assert_eq!(store_faults(good), Vec::<String>::new(), "{good}");
    }
    for (bad, told) in [
        ("", "store.url: is missing"),
        ("url = \"mysql://s3cr3t\"", "store.url: must begin with"),
        (
            "url = \"sqlite:x.db\"\npath = \"y.db\"",
            "store.path: says otherwise",
        ),
        (
            "url = \"postgres://gateway:s3cr3t@db/gateway\"",
            "store.url: must not hold a password",
        ),
        (
            "url = \"postgres://db/gateway\"",
            "store.url: names no user",
        ),
        (
            "url = \"postgres://gateway@db\"",
            "store.url: names no database",
        ),
        (
            "url = \"postgres://g@db/g?options=-cfsync%3Doff\"",
            "store.url: must not hold options",
        ),
        (
            "url = \"postgres://g@db/g\"\npassword_file = \"none\"",
            "store.password_file: cannot be read",
        ),
        (
            "url = \"sqlite:x.db\"\ntls = \"s3cr3t\"",
            "store.tls: must be",
        ),
    ] {
        let faults = store_faults(bad);
        assert!(
            faults.iter().any(|f| f.starts_with(told)),
            "{bad}: {faults:?}"
        );
        assert!(!faults.join("").contains("s3cr3t"), "{faults:?}");
    }
}

#[test]
fn tls_is_for_other_machines_unless_it_is_said() {
    let tls = |keys: &str| {
        let notes: Rc<Notes> = Rc::default();
        let text = format!("[store]\n{keys}");
        let mut root = Reader::root(toml::from_str(&text).expect("TOML"), &notes);
        match store::read(&mut root, Path::new(""))
            .expect("a store")
            .place
        {
            Place::Postgres(settings) => settings.tls,
            Place::Sqlite(_) => panic!("a server"),
        }
    };
    assert!(tls("url = \"postgres://g@db.example/g\""));
    assert!(tls("url = \"postgres://g@10.0.0.1/g\""));
    assert!(!tls("url = \"postgres://g@localhost/g\""));
    assert!(!tls("url = \"postgres://g@127.0.0.1/g\""));
    assert!(!tls("url = \"postgres://g@%2Frun/g\""));
    assert!(!tls("url = \"postgres://g@db.example/g\"\ntls = \"off\""));
    assert!(tls("url = \"postgres://g@127.0.0.1/g\"\ntls = \"verify\""));
}
