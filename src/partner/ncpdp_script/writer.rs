//! Writes SCRIPT element by element, in the order in which it is told to, and lets nothing out that the
//! receiver's schema would refuse.
//!
//! Each leaf names the form it must have and the record's field that it comes from; what does not fit
//! becomes an issue at that field. Nothing is ever cut off or left out to make it fit.

use quick_xml::escape::escape;

use crate::issue::Issue;

/// The form of a leaf (domain facts, 2.2 to 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text of at most this many characters, in one line.
    Text(usize),
    /// Digits, this many from and to.
    Digits(usize, usize),
    /// A number without sign or exponent, of at most this many characters.
    Number(usize),
    /// One of these codes.
    Code(&'static [&'static str]),
}

impl Form {
    /// What is wrong with a value: an issue code, a rule, words.
    #[must_use]
    pub fn wrong(self, value: &str) -> Option<(&'static str, &'static str, String)> {
        let length = value.chars().count();
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match self {
            Form::Text(_) if value.trim().is_empty() => {
                Some(("required", "script-empty", "may not be empty".to_owned()))
            }
            Form::Text(max) if length > max => Some((
                "too-long",
                "script-length",
                format!("takes at most {max} characters"),
            )),
            Form::Text(_) if value.chars().any(|c| !in_line(c)) => Some((
                "value",
                "script-characters",
                "takes one line of text, without control characters".to_owned(),
            )),
            Form::Digits(min, max) if !digits(value) || length < min || length > max => Some((
                "value",
                "script-digits",
                if min == max {
                    format!("takes {max} digits")
                } else {
                    format!("takes {min} to {max} digits")
                },
            )),
            Form::Number(max) => {
                let plain = match value.split_once('.') {
                    Some((whole, part)) => digits(whole) && digits(part),
                    None => digits(value),
                };
                (!plain || length > max).then(|| {
                    (
                        "value",
                        "script-number",
                        format!("takes a plain number of at most {max} characters"),
                    )
                })
            }
            Form::Code(codes) if !codes.contains(&value) => Some((
                "code-invalid",
                "script-code",
                "does not take this code".to_owned(),
            )),
            Form::Text(_) | Form::Digits(..) | Form::Code(_) => None,
        }
    }
}

/// Whether XML 1.0 may hold it and a label can print it on one line.
pub(super) fn in_line(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}')
}

/// A message being written.
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    issues: Vec<Issue>,
}

impl Writer {
    /// An element and what `body` writes into it; none if that is nothing.
    pub fn within(&mut self, name: &'static str, body: impl FnOnce(&mut Self)) {
        self.tagged(name, "", body);
    }

    /// The same with attributes of ours, written out.
    pub fn tagged(&mut self, name: &'static str, attributes: &str, body: impl FnOnce(&mut Self)) {
        let before = self.out.len();
        let tag = format!("<{name}{attributes}>");
        self.out.push_str(&tag);
        let start = self.out.len();
        body(self);
        if self.out.len() == start {
            self.out.truncate(before);
        } else {
            self.close(name);
        }
    }

    /// A leaf, from the record's field at `from`.
    pub fn put(&mut self, name: &'static str, form: Form, from: &str, value: &str) {
        self.leaf(name, "", form, from, value);
    }

    /// The same, where there is a value.
    pub fn put_some(&mut self, name: &'static str, form: Form, from: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(name, form, from, value);
        }
    }

    /// A leaf with a `Qualifier`.
    pub fn qualified(
        &mut self,
        name: &'static str,
        qualifier: &str,
        form: Form,
        from: &str,
        value: &str,
    ) {
        let attribute = format!(" Qualifier=\"{}\"", escape(qualifier));
        self.leaf(name, &attribute, form, from, value);
    }

    fn leaf(&mut self, name: &'static str, attributes: &str, form: Form, from: &str, value: &str) {
        if let Some((code, rule, words)) = form.wrong(value) {
            let message = format!("SCRIPT's {name} {words}");
            self.issues.push(Issue::error(code, rule, from, message));
            return;
        }
        let tag = format!("<{name}{attributes}>");
        self.out.push_str(&tag);
        self.out.push_str(&escape(value));
        self.close(name);
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// Something that SCRIPT wants and the record lacks.
    pub fn missing(&mut self, from: &str, message: impl Into<std::borrow::Cow<'static, str>>) {
        self.issue(Issue::error("required", "script-required", from, message));
    }

    /// Something to be said about what is written.
    pub fn issue(&mut self, issue: Issue) {
        self.issues.push(issue);
    }

    /// The bytes, and what somebody should know of them.
    ///
    /// # Errors
    /// What cannot be said in SCRIPT.
    pub fn finish(self) -> Result<(Vec<u8>, Vec<Issue>), Vec<Issue>> {
        if crate::issue::any_error(&self.issues) {
            return Err(self.issues);
        }
        let mut bytes = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_vec();
        bytes.extend_from_slice(self.out.as_bytes());
        Ok((bytes, self.issues))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_takes_what_fits_and_names_the_rule_of_what_does_not() {
        let rule = |form: Form, value: &str| form.wrong(value).map_or("", |(_, rule, _)| rule);
        for (form, good, bad, broken) in [
            (Form::Text(3), "é√c", "abcd", "script-length"),
            (Form::Text(3), "a b", "  ", "script-empty"),
            (Form::Text(9), "a b", "a\nb", "script-characters"),
            (Form::Digits(7, 7), "7701630", "770163", "script-digits"),
            (Form::Digits(1, 3), "14", "1.4", "script-digits"),
            (Form::Number(11), "0.5", "5e-1", "script-number"),
            (
                Form::Number(11),
                "12345678901",
                "123456789012",
                "script-number",
            ),
            (Form::Number(11), "5", "-5", "script-number"),
            (Form::Number(11), "5", "5.", "script-number"),
            (Form::Code(&["M", "F"]), "M", "N", "script-code"),
        ] {
            assert_eq!(rule(form, good), "", "{good}");
            assert_eq!(rule(form, bad), broken, "{bad}");
        }
    }

    #[test]
    fn an_element_without_content_is_not_written_and_text_is_escaped() {
        let mut w = Writer::default();
        w.within("A", |w| {
            w.within("B", |_| {});
            w.put("C", Form::Text(9), "/c", "a<&>\"");
        });
        let (bytes, issues) = w.finish().expect("fits");
        assert!(issues.is_empty());
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(
            text.ends_with("?><A><C>a&lt;&amp;&gt;&quot;</C></A>"),
            "{text}"
        );
        let mut w = Writer::default();
        w.put("C", Form::Text(1), "/c", "Canary");
        let issues = w.finish().expect_err("too long");
        assert_eq!(
            (issues[0].path.as_str(), &*issues[0].rule),
            ("/c", "script-length")
        );
        assert!(!issues[0].message.contains("Canary"));
    }
}
