//! The package reader: what a package holds is read, and tricks with archives are refused.

use std::io::Write;

use super::*;

/// An archive of these files; a name that ends with `@` becomes a link.
fn tgz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, body) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(body.len() as u64);
        header.set_mode(0o644);
        if let Some(name) = name.strip_suffix('@') {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, name, "/etc/hosts")
                .expect("appends");
            continue;
        }
        // The builder refuses tricks with paths, so the name is written by hand.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, body.as_bytes()).expect("appends");
    }
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar.into_inner().expect("ends"))
        .expect("writes");
    gz.finish().expect("ends")
}

const MANIFEST: (&str, &str) = (
    "package/package.json",
    r#"{"name":"an.example","version":"1.0.0","dependencies":{"hl7.fhir.r4.core":"4.0.1"}}"#,
);
const SET: (&str, &str) = (
    "package/ValueSet-a.json",
    r#"{"resourceType":"ValueSet","url":"http://example.org/a","compose":{"include":[{"system":"s","concept":[{"code":"c"}]}]}}"#,
);

#[test]
fn a_package_is_read_with_its_name_needs_and_definitions() {
    let package = Package::read(&tgz(&[MANIFEST, SET]), &Caps::default()).expect("a package");
    assert_eq!(package.name, "an.example");
    assert_eq!(package.dependencies.len(), 1);
    assert_eq!(package.definitions.sets[0].include[0].codes, ["c"]);
}

#[test]
fn tricks_and_broken_archives_are_refused() {
    let caps = Caps {
        entries: 3,
        file_bytes: 500,
        total_bytes: 20_000,
        ratio: 1,
    };
    let long = " ".repeat(501);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"no archive".to_vec(), "Archive"),
        (tgz(&[MANIFEST, SET])[..60].to_vec(), "Archive"),
        (tgz(&[SET]), "NoManifest"),
        (tgz(&[MANIFEST, ("package/../../x.json", "{}")]), "Path"),
        (tgz(&[MANIFEST, ("/package/x.json", "{}")]), "Path"),
        (tgz(&[MANIFEST, ("package/x.json@", "")]), "Path"),
        (tgz(&[MANIFEST, ("package/x.json", &long)]), "TooLarge"),
        (tgz(&[MANIFEST, SET, SET, SET]), "TooLarge"),
        (tgz(&[MANIFEST, ("package/x.json", "{")]), "Json"),
    ];
    for (bytes, expected) in cases {
        let error = Package::read(&bytes, &caps).expect_err(expected);
        let name = format!("{error:?}");
        assert!(name.starts_with(expected), "{name} instead of {expected}");
    }
}

#[test]
fn an_archive_that_unpacks_to_far_more_than_its_size_is_refused() {
    let bomb: String = " ".repeat(9 << 20);
    let files = [
        MANIFEST,
        ("package/a.json", &bomb),
        ("package/b.json", &bomb),
    ];
    let bytes = tgz(&files);
    assert!(bytes.len() < 100_000);
    let error = files_of(&bytes).expect_err("too large");
    assert!(
        error
            .to_string()
            .ends_with("more than 40 times its own size"),
        "{error}"
    );
    // What is small is read, however well it is packed.
    assert_eq!(files_of(&tgz(&files[..2])).expect("read"), 2);
}

/// How many files an archive holds.
fn files_of(bytes: &[u8]) -> Result<usize, PackageError> {
    let mut count = 0;
    super::files(bytes, &Caps::default(), |_, _| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}
