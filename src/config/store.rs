//! `[store]`: which engine, where, and how much of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::Reader;
use super::settings::{ms, seconds};
use super::{Place, Store};
use crate::phi::Secret;
use crate::store::postgres::{Address, Settings};

/// The environment's word for the database's password, where no file is named.
const PASSWORD: &str = "FHIR_GATEWAY_STORE_PASSWORD";

/// What the file says of the address.
enum Said {
    File(PathBuf),
    Server(Box<Address>),
}

pub(super) fn read(root: &mut Reader, folder: &Path) -> Option<Store> {
    let mut t = root.table("store");
    let said = address(&mut t, folder);
    let free_mb_min = t.number("free_mb_min", 64, 1, 1_000_000);
    let password = password(&mut t, folder);
    let ca_file = file(&mut t, "ca_file", folder);
    let tls = t.word("tls", &[("verify", Some(true)), ("off", Some(false))], None);
    let readers_max = t.count("connections_max", 8, 2, 1000);
    let queue_max = t.count("queue_max", 4096, 16, 100_000);
    let connect_timeout = ms(&mut t, "connect_timeout_ms", 5000, 100, 60_000);
    let statement_timeout = ms(&mut t, "statement_timeout_ms", 15_000, 1000, 600_000);
    let start_wait = seconds(&mut t, "start_wait_s", Duration::from_secs(30), 0, 3600);
    t.finish();
    let place = match said? {
        Said::File(path) => Place::Sqlite(path),
        Said::Server(address) => {
            let tls = tls.unwrap_or_else(|| address.is_remote());
            Place::Postgres(Box::new(Settings {
                address: *address,
                password,
                tls,
                ca_file,
                readers_max,
                queue_max,
                connect_timeout,
                statement_timeout,
                start_wait,
            }))
        }
    };
    Some(Store { place, free_mb_min })
}

/// `url`, or `path` for short.
fn address(t: &mut Reader, folder: &Path) -> Option<Said> {
    let (url, path) = (t.text("url"), t.text("path"));
    let said = match (url.as_deref(), path) {
        (None, None) => {
            t.fault("url", "is missing");
            return None;
        }
        (None, Some(path)) => Said::File(folder.join(path)),
        (Some(url), path) => {
            if path.is_some_and(|path| url.strip_prefix("sqlite:") != Some(&path)) {
                t.fault("path", "says otherwise than url");
            }
            if let Some(path) = url.strip_prefix("sqlite:").filter(|p| !p.is_empty()) {
                Said::File(folder.join(path))
            } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
                match Address::parse(url) {
                    Ok(address) => Said::Server(Box::new(address)),
                    Err(wrong) => {
                        t.fault("url", wrong);
                        return None;
                    }
                }
            } else {
                t.fault("url", "must begin with sqlite: or postgres://");
                return None;
            }
        }
    };
    if let Said::File(path) = &said {
        let home = path.parent().filter(|p| !p.as_os_str().is_empty());
        if home.is_some_and(|p| p.exists() && !p.is_dir()) || path.is_dir() {
            t.fault("url", "must be a file in a folder");
        }
    }
    Some(said)
}

/// The database's password: the first line of a file, or what the environment says.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the roof: a credential may come by the environment"
)]
fn password(t: &mut Reader, folder: &Path) -> Option<Secret<String>> {
    let Some(file) = file(t, "password_file", folder) else {
        return std::env::var(PASSWORD).ok().map(Secret::new);
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() {
        t.fault("password_file", "holds no password in its first line");
    }
    Some(Secret::new(first.to_owned()))
}

/// A file that must be there, if it is named.
fn file(t: &mut Reader, key: &str, folder: &Path) -> Option<PathBuf> {
    let path = folder.join(t.text(key)?);
    if let Err(e) = std::fs::File::open(&path) {
        t.fault(key, &format!("cannot be read: {}", e.kind()));
        return None;
    }
    Some(path)
}
