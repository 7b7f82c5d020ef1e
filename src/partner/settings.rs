//! Reads a partner's block of the config, key by key, and says everything that is wrong with it at once.
//!
//! Messages name the key and never the value: it may be a credential.

use toml::{Table, Value};

use crate::phi::Secret;

/// The keys of one block, being read.
#[derive(Debug)]
pub struct Settings {
    keys: Table,
    prefix: String,
    wrong: Vec<String>,
}

impl Settings {
    /// Begins to read a block.
    #[must_use]
    pub fn new(keys: Table) -> Self {
        Settings {
            keys,
            prefix: String::new(),
            wrong: Vec::new(),
        }
    }

    /// Notes a mistake at a key.
    pub fn fault(&mut self, key: &str, what: &str) {
        self.wrong.push(format!("{}{key}: {what}", self.prefix));
    }

    /// Whether the key stands there and was not read yet.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// A text that may be missing.
    pub fn text_opt(&mut self, key: &str) -> Option<String> {
        match self.keys.remove(key) {
            None => None,
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            Some(_) => {
                self.fault(key, "must be a text that is not empty");
                None
            }
        }
    }

    /// A text that must be there; the empty text stands in where it is not, and the mistake is noted.
    pub fn text(&mut self, key: &str) -> String {
        if !self.keys.contains_key(key) {
            self.fault(key, "is missing");
        }
        self.text_opt(key).unwrap_or_default()
    }

    /// A text with a default.
    pub fn text_or(&mut self, key: &str, default: &str) -> String {
        self.text_opt(key).unwrap_or_else(|| default.to_owned())
    }

    /// A credential that may be missing.
    pub fn secret_opt(&mut self, key: &str) -> Option<Secret<String>> {
        self.text_opt(key).map(Secret::new)
    }

    /// One of a few words; the default where the key is missing.
    pub fn one_of<T: Copy>(&mut self, key: &str, words: &[(&str, T)], default: T) -> T {
        let Some(text) = self.text_opt(key) else {
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

    /// A switch.
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.keys.remove(key) {
            None => default,
            Some(Value::Boolean(on)) => on,
            Some(_) => {
                self.fault(key, "must be true or false");
                default
            }
        }
    }

    /// A whole number within bounds.
    pub fn number(&mut self, key: &str, default: u64, min: u64, max: u64) -> u64 {
        match self.keys.remove(key) {
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

    /// A list of texts; empty where the key is missing.
    pub fn texts(&mut self, key: &str) -> Vec<String> {
        let Some(value) = self.keys.remove(key) else {
            return Vec::new();
        };
        let texts = match value {
            Value::Array(items) => items
                .into_iter()
                .map(|item| match item {
                    Value::String(text) if !text.is_empty() => Some(text),
                    _ => None,
                })
                .collect::<Option<Vec<String>>>(),
            _ => None,
        };
        texts.unwrap_or_else(|| {
            self.fault(key, "must be a list of texts");
            Vec::new()
        })
    }

    /// A table of texts, such as extra headers; empty where the key is missing.
    pub fn secrets(&mut self, key: &str) -> Vec<(String, Secret<String>)> {
        let Some(value) = self.keys.remove(key) else {
            return Vec::new();
        };
        let pairs = match value {
            Value::Table(table) => table
                .into_iter()
                .map(|(name, value)| match value {
                    Value::String(text) => Some((name, Secret::new(text))),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>(),
            _ => None,
        };
        pairs.unwrap_or_else(|| {
            self.fault(key, "must be a table of texts");
            Vec::new()
        })
    }

    /// A table within the block, read by `read`, whose mistakes are named `key.…`; `None` where it is
    /// missing.
    pub fn table<T>(&mut self, key: &str, read: impl FnOnce(&mut Settings) -> T) -> Option<T> {
        match self.keys.remove(key)? {
            Value::Table(keys) => {
                let mut inner = Settings {
                    keys,
                    prefix: format!("{}{key}.", self.prefix),
                    wrong: Vec::new(),
                };
                let value = read(&mut inner);
                self.wrong.extend(inner.mistakes());
                Some(value)
            }
            _ => {
                self.fault(key, "must be a table");
                None
            }
        }
    }

    /// An `http://` or `https://` address that must be there.
    pub fn url(&mut self, key: &str) -> String {
        let text = self.text(key);
        if !text.is_empty() && !is_http(&text) {
            self.fault(
                key,
                "must be an http:// or https:// address without credentials",
            );
        }
        text
    }

    /// All mistakes, unknown keys among them.
    fn mistakes(mut self) -> Vec<String> {
        for key in self.keys.keys() {
            self.wrong
                .push(format!("{}{key}: no such key", self.prefix));
        }
        self.wrong
    }

    /// The end: `value`, if nothing was wrong.
    ///
    /// # Errors
    /// Everything that was wrong; keys that nobody read are wrong, too.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<String>> {
        let wrong = self.mistakes();
        if wrong.is_empty() {
            Ok(value)
        } else {
            Err(wrong)
        }
    }
}

fn is_http(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once_and_no_value_is_shown() {
        let keys: Table = toml::from_str(
            "url = \"ftp://s3cr3t\"\nduplicates = \"s3cr3t\"\nlimit = 900\nnonsense = 1\n[auth]\nodd = 1\n",
        )
        .expect("toml");
        let mut s = Settings::new(keys);
        s.url("url");
        s.text("name");
        s.one_of("duplicates", &[("none", 0), ("answers-220", 1)], 0);
        s.number("limit", 5, 1, 10);
        s.table("auth", |auth| auth.text("basic"));
        let wrong = s.finish(()).expect_err("wrong");
        let keys: Vec<&str> = wrong.iter().filter_map(|w| w.split(':').next()).collect();
        assert_eq!(
            keys,
            [
                "url",
                "name",
                "duplicates",
                "limit",
                "auth.basic",
                "auth.odd",
                "nonsense"
            ]
        );
        assert!(wrong.iter().all(|w| !w.contains("s3cr3t")));
    }
}
