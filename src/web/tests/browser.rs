//! A real browser on the status page: it lets itself in, obeys the policy, and shows what a person
//! needs, styled. `tests/run.sh` installs Chromium where it is missing.

use std::path::Path;

use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::*;

/// The first of these that starts.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

async fn browse(profile: &Path, what: &str, url: &str) -> String {
    for browser in BROWSERS {
        let run = Command::new(browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
                "--window-size=1280,1600",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args([what, url])
            .kill_on_drop(true)
            .output();
        match tokio::time::timeout(Duration::from_secs(60), run).await {
            Ok(Ok(out)) => return String::from_utf8_lossy(&out.stdout).into_owned(),
            Ok(Err(e)) if e.kind() == std::io::ErrorKind::NotFound => {}
            other => panic!("{browser} did not run: {other:?}"),
        }
    }
    panic!("no browser is installed: tests/run.sh installs Chromium");
}

/// Width and height of a PNG, and whether it is of more than one colour (as far as its size tells).
fn png(path: &Path) -> (u32, u32, usize) {
    let bytes = std::fs::read(path).expect("a picture");
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four"));
    (number(16), number(20), bytes.len())
}

#[tokio::test]
async fn a_browser_shows_the_status_page_and_the_story() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let bounds = Bounds {
        connections_max: 50,
        header_timeout: Duration::from_secs(20),
        drain: Duration::from_millis(100),
    };
    let house = doors_with(fixed(), |limits| limits.requests_max = 50);
    let task = tokio::spawn(serve(listener, house.router, bounds, stop.clone()));
    let folder = std::env::temp_dir().join(format!("fhir-gateway-browser-{}", address.port()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let profile = folder.join("profile");
    let url = |path: &str| format!("http://anybody:admin-token@{address}{path}");

    let dom = browse(&profile, "--dump-dom", &url("/status")).await;
    for text in [
        "A person is needed: 2 messages are parked",
        "ehr-north: the partner refused the content",
        "&lt;b&gt;M-1&lt;/b&gt;",
        "They have it",
        "which adds up",
    ] {
        assert!(dom.contains(text), "the page lacks: {text}");
    }
    let dom = browse(&profile, "--dump-dom", &url("/records/observation/M-1")).await;
    assert!(dom.contains("Where it is"));
    assert!(!dom.contains("Canary"));

    let picture = folder.join("status.png");
    let shot = format!("--screenshot={}", picture.display());
    browse(&profile, &shot, &url("/status")).await;
    let (width, height, bytes) = png(&picture);
    assert_eq!((width, height), (1280, 1600));
    // A page without its style sheet is a tenth of this.
    assert!(bytes > 20_000, "the picture is only {bytes} bytes");
    stop.cancel();
    task.await.expect("ends");
    if std::env::var_os("KEEP_PICTURES").is_none() {
        let _ = std::fs::remove_dir_all(&folder);
    }
}
