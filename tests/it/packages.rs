//! A site's own packages: locked by `packages add`, loaded by `serve` and `check-config`, refused where something is
//! missing or was changed; and what is checked by them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Fake, Setup};

/// A package's archive, with these definitions in it.
fn archive(name: &str, needs: &Value, definitions: &[Value]) -> Vec<u8> {
    let manifest = json!({"name": name, "version": "1.0.0", "dependencies": needs});
    let files = std::iter::once(("package.json".to_owned(), manifest)).chain(
        definitions
            .iter()
            .enumerate()
            .map(|(n, each)| (format!("Definition-{n}.json"), each.clone())),
    );
    let mut tar = tar::Builder::new(Vec::new());
    for (file, value) in files {
        let body = value.to_string();
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("package/{file}"), body.as_bytes())
            .expect("appends");
    }
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar.into_inner().expect("ends"))
        .expect("writes");
    gz.finish().expect("ends")
}

/// A profile that only has a differential, with an invariant of its own.
fn profile() -> Value {
    json!({"resourceType": "StructureDefinition", "url": "https://site.example/result", "version": "1.0.0",
        "name": "Result", "status": "active", "kind": "resource", "abstract": false, "type": "Observation",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation", "derivation": "constraint",
        "differential": {"element": [
            {"id": "Observation", "path": "Observation", "constraint": [{"key": "site-1", "severity": "error",
                "human": "A result says who made it", "expression": "performer.exists()"}]},
            {"id": "Observation.issued", "path": "Observation.issued", "min": 1}]}})
}

/// A folder for a site, removed when it is dropped.
struct Site(PathBuf);

impl Site {
    fn new(name: &str) -> Site {
        let folder =
            std::env::temp_dir().join(format!("fhir-gateway-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("clinic.key"), [7; 32]).expect("a key");
        Site(folder)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_fhir-gateway"))
            .args(arguments)
            .current_dir(&self.0)
            .env("HOME", &self.0)
            .output()
            .expect("it runs")
    }

    /// Locks a package in the folder `profiles`.
    fn add(&self, name: &str, bytes: &[u8]) {
        let file = format!("{name}.tgz");
        std::fs::write(self.0.join(&file), bytes).expect("written");
        let added = self.run(&["packages", "add", &file, "--folder", "profiles"]);
        assert!(added.status.success(), "{}", text(&added));
    }

    /// What `check-config` says of a config with these lines for the validator.
    fn check(&self, lines: &str) -> (bool, String) {
        let config = format!(
            "[store]\npath = \"x.db\"\n[[tenants]]\nid = \"clinic\"\nbase = \"https://clinic.example\"\n\
             zone = \"America/New_York\"\nkey_file = \"clinic.key\"\n[[tokens]]\nname = \"all\"\n\
             sha256 = \"{}\"\nrights = [\"submit\", \"operate\"]\n[[partners]]\nid = \"lab\"\nkind = \"ehr-fhir\"\n\
             url = \"http://127.0.0.1:9/fhir\"\n{lines}\n",
            "5f".repeat(32)
        );
        std::fs::write(self.0.join("gateway.toml"), config).expect("written");
        let said = self.run(&["check-config", "gateway.toml"]);
        (said.status.success(), text(&said))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const LOADED: &str = "[validator]\nfolder = \"profiles\"\npackages = [\"site.example@1.0.0\"]";

#[test]
fn check_config_knows_the_rules_and_names_the_one_that_nobody_knows() {
    let site = Site::new("rules");
    let said = site.check("[partners.rules]\nunit-unknown = \"park\"\nobs-6 = \"warn\"");
    assert!(said.0, "{}", said.1);
    for (lines, named) in [
        (
            "[validator.rules]\nno-such = \"warn\"",
            "validator.rules.no-such: no such rule",
        ),
        (
            "[partners.rules]\nsite-1 = \"park\"",
            "partners[lab].rules.site-1: no such rule",
        ),
        (
            "[validator.rules]\ndom-6 = \"maybe\"",
            "validator.rules.dom-6: must be one of: block, park, warn, ignore",
        ),
        (
            "[partners.rules]\ntype = \"warn\"",
            "partners[lab].rules.type: is about the form",
        ),
        (
            "[validator]\nfhirpath_steps_max = 5",
            "validator.fhirpath_steps_max: must be from 10000",
        ),
        (
            "[validator]\nfhirpath_depth_max = 4000",
            "validator.fhirpath_depth_max: must be from 100 to 400",
        ),
    ] {
        let (good, said) = site.check(lines);
        assert!(!good && said.contains(named), "{lines}: {said}");
    }
    // With the package that brings it, its invariant's key is a rule.
    site.add(
        "site.example",
        &archive("site.example", &json!({}), &[profile()]),
    );
    let said = site.check(&format!("[partners.rules]\nsite-1 = \"park\"\n{LOADED}"));
    assert!(said.0, "{}", said.1);
    let listed = site.run(&["validate", "--rules", "--package", "site.example.tgz"]);
    assert!(text(&listed).contains("\nsite-1"), "{}", text(&listed));
}

#[test]
fn what_is_missing_or_was_changed_is_told_by_its_name() {
    let site = Site::new("locked");
    let (good, said) = site.check(LOADED);
    assert!(
        !good && said.contains("site.example@1.0.0 is not in"),
        "{said}"
    );
    site.add(
        "site.example",
        &archive("site.example", &json!({}), &[profile()]),
    );
    assert!(site.check(LOADED).0);
    let kept = site.0.join("profiles/packages/site.example-1.0.0.tgz");
    let mut bytes = std::fs::read(&kept).expect("the package");
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    std::fs::write(&kept, bytes).expect("written");
    let (good, said) = site.check(LOADED);
    assert!(!good && said.contains("its hash differs"), "{said}");

    // What it needs was taken out of the lock since.
    let other = Site::new("lacking");
    other.add("base.example", &archive("base.example", &json!({}), &[]));
    let needs = json!({"base.example": "1.0.0", "hl7.fhir.r4.core": "4.0.1"});
    other.add(
        "site.example",
        &archive("site.example", &needs, &[profile()]),
    );
    assert!(other.check(LOADED).0);
    let lock = other.0.join("profiles/packages.lock");
    let text = std::fs::read_to_string(&lock).expect("the lock");
    let less: Vec<&str> = text
        .split("[[package]]")
        .filter(|p| !p.contains("name = \"base.example\""))
        .collect();
    std::fs::write(&lock, less.join("[[package]]")).expect("written");
    let (good, said) = other.check(LOADED);
    assert!(
        !good && said.contains("base.example@1.0.0, needed by site.example@1.0.0,"),
        "{said}"
    );
    // A definition whose base nobody brings.
    let mut orphan = profile();
    orphan["baseDefinition"] = json!("https://nobody.example/base");
    let third = Site::new("orphan");
    third.add(
        "site.example",
        &archive("site.example", &json!({}), &[orphan]),
    );
    let (good, said) = third.check(LOADED);
    assert!(
        !good && said.contains("https://site.example/result"),
        "{said}"
    );
}

#[tokio::test]
async fn a_running_gateway_checks_by_the_sites_packages() {
    let site = Site::new("served");
    site.add(
        "site.example",
        &archive("site.example", &json!({}), &[profile()]),
    );
    let folder = site.0.join("profiles");
    let lab = Fake::start().await;
    let gateway = Setup::new()
        .config(&format!(
            "[validator]\nfolder = \"{}\"\npackages = [\"site.example@1.0.0\"]",
            Path::new(&folder).display()
        ))
        .partner(
            "lab",
            &lab,
            "kind = \"ehr-fhir\"\nurl = \"{url}/fhir\"\nbearer = \"x\"",
        )
        .start()
        .await;
    let result = json!({"resourceType": "Observation", "id": "o1", "status": "final",
        "meta": {"profile": ["https://site.example/result"]}, "code": {"text": "a result"}});
    let got = gateway.post("/in/lab", "lab", &result).await;
    assert_eq!(got.status, 201, "{}", got.text());
    let status = gateway.get("/status", "admin").await.json();
    let parked = status["parked_inbound"].to_string();
    for told in ["site-1", "cardinality-min"] {
        assert!(parked.contains(told), "{parked}");
    }
}
