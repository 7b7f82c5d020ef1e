//! Reads a TOML table key by key, gathers everything that is wrong with it, and remembers every key
//! that was asked for, so that a test can compare them with the manual.
//!
//! A complaint names the key and never the value: it may be a credential.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use toml::{Table, Value};

/// What was noted while reading: shared by all tables of one file.
#[derive(Debug, Default)]
pub(super) struct Notes {
    faults: RefCell<Vec<String>>,
    keys: RefCell<BTreeSet<String>>,
}

impl Notes {
    /// Notes a complaint that belongs to no single key.
    pub(super) fn fault(&self, text: impl Into<String>) {
        self.faults.borrow_mut().push(text.into());
    }

    /// All complaints, in the order they were met.
    pub(super) fn faults(&self) -> Vec<String> {
        self.faults.borrow().clone()
    }

    /// Every key that was asked for: `server.listen`, `partners.id`.
    #[cfg(test)]
    pub(super) fn keys(&self) -> BTreeSet<String> {
        self.keys.borrow().clone()
    }
}

/// One table, being read. What nobody asked for by the end is an unknown key.
pub(super) struct Reader {
    table: Table,
    /// How the table is named to people: `partners[ehr-north]`.
    shown: String,
    /// How its keys are named in the manual: `partners`.
    path: String,
    notes: Rc<Notes>,
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

impl Reader {
    /// The whole file.
    pub(super) fn root(table: Table, notes: &Rc<Notes>) -> Self {
        Reader {
            table,
            shown: String::new(),
            path: String::new(),
            notes: Rc::clone(notes),
        }
    }

    /// Notes a complaint about a key.
    pub(super) fn fault(&self, key: &str, text: &str) {
        self.notes
            .fault(format!("{}: {text}", join(&self.shown, key)));
    }

    /// How this table is named to people.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Notes complaints after the table was given away.
    pub(super) fn complainer(&self) -> impl Fn(&str) + use<> {
        let notes = Rc::clone(&self.notes);
        move |text| notes.fault(text)
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.notes.keys.borrow_mut().insert(join(&self.path, key));
        self.table.remove(key)
    }

    /// A text; `None` and a complaint if it is something else or empty.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(s) if !s.is_empty() => Some(s),
            _ => {
                self.fault(key, "must be a text that is not empty");
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn need(&mut self, key: &str) -> Option<String> {
        let there = self.table.contains_key(key);
        let text = self.text(key);
        if !there {
            self.fault(key, "is missing");
        }
        text
    }

    /// A whole number within bounds, or the default.
    pub(super) fn number(&mut self, key: &str, default: u64, min: u64, max: u64) -> u64 {
        match self.take(key) {
            None => default,
            Some(Value::Integer(n)) => match u64::try_from(n) {
                Ok(n) if (min..=max).contains(&n) => n,
                _ => {
                    self.fault(key, &format!("must be from {min} to {max}"));
                    default
                }
            },
            Some(_) => {
                self.fault(key, "must be a whole number");
                default
            }
        }
    }

    /// A whole number within bounds, as a count.
    pub(super) fn count(&mut self, key: &str, default: usize, min: u64, max: u64) -> usize {
        let wide = u64::try_from(default).unwrap_or(u64::MAX);
        usize::try_from(self.number(key, wide, min, max)).unwrap_or(default)
    }

    /// A list of whole numbers, or the default.
    pub(super) fn numbers(&mut self, key: &str, default: &[u64], min: u64, max: u64) -> Vec<u64> {
        let Some(value) = self.take(key) else {
            return default.to_vec();
        };
        let read = value.as_array().and_then(|items| {
            items
                .iter()
                .map(|v| v.as_integer().and_then(|n| u64::try_from(n).ok()))
                .map(|n| n.filter(|n| (min..=max).contains(n)))
                .collect::<Option<Vec<u64>>>()
        });
        read.filter(|list| !list.is_empty()).unwrap_or_else(|| {
            self.fault(
                key,
                &format!("must be a list of whole numbers from {min} to {max}"),
            );
            default.to_vec()
        })
    }

    /// A switch, or the default.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Value::Boolean(on)) => on,
            Some(_) => {
                self.fault(key, "must be true or false");
                default
            }
        }
    }

    /// A list of texts; empty if it is missing.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let read = value.as_array().and_then(|items| {
            items
                .iter()
                .map(|v| v.as_str().filter(|s| !s.is_empty()).map(str::to_owned))
                .collect::<Option<Vec<String>>>()
        });
        read.unwrap_or_else(|| {
            self.fault(key, "must be a list of texts");
            Vec::new()
        })
    }

    /// One of a few words, or the default.
    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)], default: T) -> T {
        let Some(text) = self.text(key) else {
            return default;
        };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => *value,
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.fault(key, &format!("must be one of: {}", known.join(", ")));
                default
            }
        }
    }

    /// A table of whole numbers by free names; empty if it is missing.
    pub(super) fn numbers_by_name(&mut self, key: &str, min: u64, max: u64) -> Vec<(String, u64)> {
        let mut out = Vec::new();
        for (name, value) in self.table_of(key) {
            match value.as_integer().and_then(|n| u64::try_from(n).ok()) {
                Some(n) if (min..=max).contains(&n) => out.push((name, n)),
                _ => self.fault(&join(key, &name), &format!("must be from {min} to {max}")),
            }
        }
        out
    }

    /// A table of a few words by free names, in the order of the names; empty if it is missing.
    pub(super) fn words_by_name<T: Copy>(
        &mut self,
        key: &str,
        words: &[(&str, T)],
    ) -> Vec<(String, T)> {
        let mut out = Vec::new();
        for (name, value) in self.table_of(key) {
            match words.iter().find(|(word, _)| value.as_str() == Some(word)) {
                Some((_, value)) => out.push((name, *value)),
                None => {
                    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                    self.fault(
                        &join(key, &name),
                        &format!("must be one of: {}", known.join(", ")),
                    );
                }
            }
        }
        out
    }

    /// A table of free names; an empty one if it is missing.
    fn table_of(&mut self, key: &str) -> Table {
        match self.take(key) {
            None => Table::new(),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.fault(key, "must be a table");
                Table::new()
            }
        }
    }

    /// A table within this one; an empty one if it is missing.
    pub(super) fn table(&mut self, key: &str) -> Reader {
        self.table_if(key)
            .unwrap_or_else(|| self.child(key, join(&self.shown, key), Table::new()))
    }

    /// A table within this one, if it is there.
    pub(super) fn table_if(&mut self, key: &str) -> Option<Reader> {
        match self.take(key)? {
            Value::Table(table) => Some(self.child(key, join(&self.shown, key), table)),
            _ => {
                self.fault(key, "must be a table");
                None
            }
        }
    }

    /// The tables of a `[[key]]` list, each named to people by `name_key` if it has one.
    pub(super) fn tables(&mut self, key: &str, name_key: &str) -> Vec<Reader> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let Value::Array(items) = value else {
            self.fault(key, &format!("must be written as [[{key}]]"));
            return Vec::new();
        };
        let mut out = Vec::new();
        for (i, item) in items.into_iter().enumerate() {
            let Value::Table(table) = item else {
                self.fault(key, &format!("must be written as [[{key}]]"));
                continue;
            };
            let name = table
                .get(name_key)
                .and_then(Value::as_str)
                .filter(|n| super::is_name(n))
                .map_or_else(|| (i + 1).to_string(), str::to_owned);
            out.push(self.child(key, format!("{key}[{name}]"), table));
        }
        out
    }

    fn child(&self, key: &str, shown: String, table: Table) -> Reader {
        Reader {
            table,
            shown,
            path: join(&self.path, key),
            notes: Rc::clone(&self.notes),
        }
    }

    /// What was not asked for, for somebody who reads the rest.
    pub(super) fn rest(self) -> Table {
        self.table
    }

    /// The end: every key that nobody asked for is unknown.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            self.fault(key, "no such key");
        }
    }
}
