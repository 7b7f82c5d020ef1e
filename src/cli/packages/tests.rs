//! Packages against a registry on loopback: what is fetched, locked, refused.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use sha2::Digest as _;

use super::*;

/// A package's archive.
fn archive(name: &str, version: &str, needs: &[(&str, &str)]) -> Vec<u8> {
    let needs: serde_json::Map<String, serde_json::Value> = needs
        .iter()
        .map(|(name, version)| ((*name).to_owned(), (*version).into()))
        .collect();
    let manifest = serde_json::json!({"name": name, "version": version, "dependencies": needs});
    let body = manifest.to_string();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(body.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "package/package.json", body.as_bytes())
        .expect("appends");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar.into_inner().expect("ends"))
        .expect("writes");
    gz.finish().expect("ends")
}

/// A registry that answers so many requests from a table of paths; a path with `>` behind it leads to the one
/// that is its page.
fn registry(
    pages: Vec<(String, Vec<u8>)>,
    requests: usize,
) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let served = std::thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut lines = BufReader::new(stream.try_clone().expect("a clone"));
            let mut first = String::new();
            lines.read_line(&mut first).expect("a request");
            let mut line = String::new();
            while lines.read_line(&mut line).expect("a header") > 2 {
                line.clear();
            }
            let path = first.split(' ').nth(1).unwrap_or_default();
            let page = pages
                .iter()
                .find(|(own, _)| own.trim_end_matches('>') == path);
            let (status, body) = match page {
                None => ("404 Not Found".to_owned(), &[][..]),
                Some((own, to)) if own.ends_with('>') => {
                    let to = String::from_utf8_lossy(to);
                    (format!("302 Found\r\nlocation: {to}"), &[][..])
                }
                Some((_, body)) => ("200 OK".to_owned(), &body[..]),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).expect("answers");
            stream.write_all(body).expect("answers");
            let mut rest = Vec::new();
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut rest);
        }
    });
    (url, served)
}

fn page(name: &str, versions: &[(&str, &[u8], bool)]) -> (String, Vec<u8>) {
    let all: serde_json::Map<String, serde_json::Value> = versions
        .iter()
        .map(|(version, bytes, sound)| {
            let digest = sha2::Sha512::digest(if *sound { bytes } else { b"other".as_slice() });
            let hash = base64::engine::general_purpose::STANDARD.encode(digest);
            let dist = serde_json::json!({"tarball": format!("/files/{name}-{version}.tgz"),
                "integrity": format!("sha512-{hash}")});
            ((*version).to_owned(), serde_json::json!({"dist": dist}))
        })
        .collect();
    let body = serde_json::json!({"name": name, "versions": all});
    (format!("/{name}"), body.to_string().into_bytes())
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path =
            std::env::temp_dir().join(format!("fhir-packages-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn fetch(folder: &Path, package: &str, registry: Option<String>) -> anyhow::Result<ExitCode> {
    add(&Add {
        package: package.to_owned(),
        registry,
        ca_file: None,
        folder: folder.to_owned(),
    })
}

#[test]
fn a_package_comes_with_what_it_needs_and_stays_what_it_was() {
    let scratch = Scratch::new("add");
    let first = archive(
        "an.example",
        "1.0.0",
        &[("another.one", "2.1.x"), ("hl7.fhir.r4.core", "4.0.1")],
    );
    let old = archive("another.one", "2.1.3", &[]);
    let new = archive("another.one", "2.1.10", &[]);
    let (url, served) = registry(
        vec![
            page("an.example", &[("1.0.0", &first, true)]),
            ("/files/an.example-1.0.0.tgz".to_owned(), first.clone()),
            page(
                "another.one",
                &[
                    ("2.1.3", &old, true),
                    ("2.1.10", &new, true),
                    ("2.2.0", &new, true),
                ],
            ),
            ("/files/another.one-2.1.10.tgz".to_owned(), new),
        ],
        4,
    );
    fetch(&scratch.0, "an.example@1.0.0", Some(url)).expect("added");
    served.join().expect("served");
    let folder = Folder::open(&scratch.0).expect("a folder");
    let names: Vec<String> = folder.all().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["an.example@1.0.0", "another.one@2.1.10"]);
    let name = Name::parse("an.example#1.0.0").expect("a name");
    assert_eq!(folder.read(&name).expect("whole"), Some(first));
    // What changed since is refused, and adding something else under a locked name, too.
    std::fs::write(scratch.0.join("packages/an.example-1.0.0.tgz"), b"other").expect("written");
    assert!(folder.read(&name).is_err());
    let other = archive("an.example", "1.0.0", &[]);
    let file = scratch.0.join("other.tgz");
    std::fs::write(&file, other).expect("written");
    assert!(fetch(&scratch.0, &file.to_string_lossy(), None).is_err());
}

#[test]
fn what_is_missing_or_false_is_told_and_locks_nothing() {
    let scratch = Scratch::new("refuse");
    let needs = archive("an.example", "1.0.0", &[("missing.one", "1.0.0")]);
    let (url, served) = registry(
        vec![
            page("an.example", &[("1.0.0", &needs, true)]),
            ("/files/an.example-1.0.0.tgz".to_owned(), needs.clone()),
        ],
        3,
    );
    let error = fetch(&scratch.0, "an.example@1.0.0", Some(url)).expect_err("missing");
    served.join().expect("served");
    let told = format!("{error:#}");
    assert!(
        told.contains("missing.one@1.0.0, asked for by an.example@1.0.0"),
        "{told}"
    );
    assert!(!scratch.0.join("packages.lock").exists());

    let (url, served) = registry(
        vec![
            page("an.example", &[("1.0.0", &needs, false)]),
            ("/files/an.example-1.0.0.tgz".to_owned(), needs),
        ],
        2,
    );
    let error = fetch(&scratch.0, "an.example@1.0.0", Some(url)).expect_err("false");
    served.join().expect("served");
    assert!(format!("{error:#}").contains("hash differs"));
    for name in ["an.example", "../x@1", "a@..", "a/b@1", "@1", "a@"] {
        assert!(fetch(&scratch.0, name, None).is_err(), "{name}");
    }
}

#[test]
fn a_registry_may_send_on_and_state_a_sha1() {
    let scratch = Scratch::new("sent-on");
    let own = archive("an.example", "1.0.0", &[]);
    let listed = |hash: String| {
        let version = serde_json::json!({"dist": {"shasum": hash, "tarball": "/old"}});
        let body = serde_json::json!({"versions": {"1.0.0": version}});
        ("/an.example".to_owned(), body.to_string().into_bytes())
    };
    let hash = folder::hex(&sha1::Sha1::digest(&own));
    let pages = |hash: &str| {
        vec![
            listed(hash.to_owned()),
            ("/old>".to_owned(), b"/new".to_vec()),
            ("/new".to_owned(), own.clone()),
            ("/round>".to_owned(), b"/round".to_vec()),
        ]
    };
    let (url, served) = registry(pages(&hash), 3);
    fetch(&scratch.0, "an.example@1.0.0", Some(url)).expect("added");
    served.join().expect("served");

    let scratch = Scratch::new("sent-wrong");
    let (url, served) = registry(pages(&"0".repeat(40)), 3);
    let error = fetch(&scratch.0, "an.example@1.0.0", Some(url)).expect_err("false");
    served.join().expect("served");
    assert!(format!("{error:#}").contains("hash differs"));

    let (url, served) = registry(pages(&hash), 6);
    let error = fetch(&scratch.0, "round@1.0.0", Some(url)).expect_err("a circle");
    served.join().expect("served");
    assert!(
        format!("{error:#}").contains("from one address to the next"),
        "{error:#}"
    );
}
