//! The program itself: exit codes, and a gateway that is killed and started again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::fixture;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fhir-gateway"))
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    program()
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it runs")
}

/// A folder with a good config and a token in `token`; removed when it is dropped.
struct Site(PathBuf);

impl Site {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("fhir-gateway-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let made = run(&["token", "--json"], &folder);
        let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
        let (token, hash) = (made["token"].as_str(), made["sha256"].as_str());
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"data/gateway.db\"\nfree_mb_min = 1\n\
             [[tenants]]\nid = \"clinic\"\nbase = \"https://clinic.example\"\nzone = \"America/New_York\"\n\
             key_file = \"clinic.key\"\n[[tokens]]\nname = \"all\"\nsha256 = \"{}\"\n\
             rights = [\"submit\", \"read\", \"operate\"]\n",
            hash.expect("a hash")
        );
        for (file, content) in [
            ("gateway.toml", config.as_str()),
            ("token", token.expect("a token")),
            ("clinic.key", "a key of more than thirty-two bytes"),
        ] {
            std::fs::write(folder.join(file), content).expect("a file");
        }
        Site(folder)
    }

    /// Starts the gateway; its process and its address.
    fn serve(&self) -> (Child, String) {
        let file = self.0.join("address");
        let _ = std::fs::remove_file(&file);
        let mut child = program()
            .args([
                "serve",
                "--config",
                "gateway.toml",
                "--address-file",
                "address",
            ])
            .current_dir(&self.0)
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let begun = now();
        loop {
            if let Ok(address) = std::fs::read_to_string(&file) {
                return (child, format!("http://{address}"));
            }
            assert!(child.try_wait().expect("a child").is_none(), "it ended");
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "it does not listen"
            );
            std::thread::yield_now();
        }
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.0.join("token")).expect("a token")
    }

    fn request(&self, arguments: &[&str]) -> Output {
        Command::new("curl")
            .args(["-s", "--max-time", "20", "-H"])
            .arg(format!("authorization: Bearer {}", self.token()))
            .args(arguments)
            .output()
            .expect("curl is installed")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test waits for a real process, by the real clock"
)]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn check_config_says_by_its_exit_code_whether_a_file_can_be_served() {
    let site = Site::new("check");
    let good = run(&["check-config", "gateway.toml"], &site.0);
    assert_eq!(good.status.code(), Some(0));
    std::fs::write(site.0.join("bad.toml"), "[server]\nlisen = 1\nlisten = 2").expect("a file");
    let bad = run(&["check-config", "bad.toml"], &site.0);
    assert_eq!(bad.status.code(), Some(2));
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    for text in [
        "server.lisen: no such key",
        "server.listen:",
        "store.path: is missing",
    ] {
        assert!(said.contains(text), "{said}");
    }
    let served = run(&["serve", "--config", "bad.toml"], &site.0);
    assert_eq!(served.status.code(), Some(2));
    let manual = run(&["check-config", "--print-default"], &site.0);
    assert!(String::from_utf8_lossy(&manual.stdout).contains("kind = \"ehr-fhir\""));
}

#[test]
fn what_was_accepted_is_there_after_a_kill() {
    let site = Site::new("kill");
    let record = fixture("client", "C-1001").to_string();
    let (mut child, url) = site.serve();
    let to = format!("{url}/records/client");
    let send = [
        "-H",
        "content-type: application/json",
        "--data-binary",
        &record,
        &to,
    ];
    let first = site.request(&send).stdout;
    child.kill().expect("a kill");
    child.wait().expect("an end");

    let (mut child, url) = site.serve();
    let to = format!("{url}/records/client");
    let send = [
        "-H",
        "content-type: application/json",
        "--data-binary",
        &record,
        &to,
    ];
    assert_eq!(
        site.request(&send).stdout,
        first,
        "the repeat gets the first answer"
    );
    let story = site
        .request(&[&format!("{url}/records/client/C-1001")])
        .stdout;
    let story: Value = serde_json::from_slice(&story).expect("JSON");
    assert_eq!(story["version"], 1);
    let arguments = ["status", "--json", "--url", &url, "--token-file", "token"];
    let status = run(&arguments, &site.0);
    assert_eq!(status.status.code(), Some(0));
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(
        (&status["versions"], &status["adds_up"]),
        (&Value::from(1), &Value::Bool(true))
    );
    child.kill().expect("a kill");
    child.wait().expect("an end");
}

#[test]
fn a_backup_is_made_while_it_runs_and_put_back_when_it_does_not() {
    let site = Site::new("backup");
    let record = fixture("client", "C-1001").to_string();
    let (mut child, url) = site.serve();
    let to = format!("{url}/records/client");
    let json = "content-type: application/json";
    let first = site.request(&["-H", json, "--data-binary", &record, &to]);
    assert!(first.status.success());
    let made = run(&["backup", "--config", "gateway.toml", "b.db"], &site.0);
    let said = String::from_utf8_lossy(&made.stderr).into_owned();
    assert_eq!(made.status.code(), Some(0), "{said}");
    let restore = ["restore", "--config", "gateway.toml", "b.db", "--replace"];
    let refused = run(&restore, &site.0);
    assert_ne!(refused.status.code(), Some(0));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("stop it first"), "{said}");
    child.kill().expect("a kill");
    child.wait().expect("an end");
    let done = run(&restore, &site.0);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(said.contains("hand in again"), "{said}");
    let (mut child, url) = site.serve();
    let story = site
        .request(&[&format!("{url}/records/client/C-1001")])
        .stdout;
    let story: Value = serde_json::from_slice(&story).expect("JSON");
    assert_eq!(story["version"], 1);
    child.kill().expect("a kill");
    child.wait().expect("an end");
}
