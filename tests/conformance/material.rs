//! The shared material: files, compressed lines, and validators with the packages that a case names.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;

use fhir_gateway::fhir::facts::Definitions;
use fhir_gateway::fhir::package::{Caps, Package};
use fhir_gateway::fhir::validate::{Options, Validator};

/// Where the material is, and what was already loaded from it.
pub(crate) struct Material {
    root: PathBuf,
    packages: RefCell<HashMap<String, Rc<Definitions>>>,
    validators: RefCell<HashMap<Vec<String>, Rc<Validator>>>,
}

impl Material {
    /// Finds the material; `None` if it is not there.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests find the shared material by this variable"
    )]
    pub(crate) fn find() -> Option<Material> {
        let root = std::env::var("GATEWAY_SHARED").map_or_else(
            |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
            PathBuf::from,
        );
        root.join("conformance").is_dir().then(|| Material {
            root,
            packages: RefCell::default(),
            validators: RefCell::default(),
        })
    }

    /// Where a file or folder is.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A file's bytes.
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The lines of a Zstandard file, by the `zstd` command.
    pub(crate) fn lines(&self, path: &str) -> Vec<String> {
        let bytes = self.bytes(path);
        let mut child = Command::new("zstd")
            .args(["-dc", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the zstd command");
        let mut input = child.stdin.take().expect("its input");
        let feed = std::thread::spawn(move || input.write_all(&bytes));
        let out = child.wait_with_output().expect("its output");
        feed.join().expect("fed").expect("written");
        let text = String::from_utf8(out.stdout).expect("UTF-8");
        text.lines().map(str::to_owned).collect()
    }

    /// The definitions of `name#version`, or of a package file of the validator suite.
    pub(crate) fn package(&self, id: &str) -> Rc<Definitions> {
        if let Some(known) = self.packages.borrow().get(id) {
            return Rc::clone(known);
        }
        let bytes = if id.ends_with(".tgz") {
            self.bytes(&format!("conformance/validator/files/validator/{id}"))
        } else {
            self.bytes(&format!("packages/{}.tgz", id.replace('#', "-")))
        };
        let package = Package::read(&bytes, &Caps::default()).expect("a package");
        let made = Rc::new(package.definitions);
        let mut packages = self.packages.borrow_mut();
        packages.insert(id.to_owned(), Rc::clone(&made));
        made
    }

    /// A validator with these packages, set otherwise as the options say.
    pub(crate) fn load(&self, packages: &[String], options: Options) -> Validator {
        let packages = packages
            .iter()
            .map(|id| Package {
                name: id.clone(),
                definitions: (*self.package(id)).clone(),
                ..Package::default()
            })
            .collect();
        Validator::load(Options {
            packages,
            ..options
        })
    }

    /// A validator with these packages, made once.
    pub(crate) fn validator(&self, packages: &[String]) -> Rc<Validator> {
        if let Some(known) = self.validators.borrow().get(packages) {
            return Rc::clone(known);
        }
        let made = Rc::new(self.load(packages, Options::default()));
        let mut validators = self.validators.borrow_mut();
        validators.insert(packages.to_vec(), Rc::clone(&made));
        made
    }
}
