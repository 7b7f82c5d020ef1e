//! Writes HTML. What is not our own markup goes through [`esc`], without exception.

use std::fmt::{self, Display};

/// Text, escaped for elements and for attributes in double quotes.
pub(super) struct Esc<T>(T);

/// Escapes.
pub(super) fn esc<T: Display>(text: T) -> Esc<T> {
    Esc(text)
}

impl<T: Display> Display for Esc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Into<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Into<'_, '_> {
            fn write_str(&mut self, s: &str) -> fmt::Result {
                for c in s.chars() {
                    match c {
                        '&' => self.0.write_str("&amp;")?,
                        '<' => self.0.write_str("&lt;")?,
                        '>' => self.0.write_str("&gt;")?,
                        '"' => self.0.write_str("&quot;")?,
                        '\'' => self.0.write_str("&#39;")?,
                        c => fmt::Write::write_char(self.0, c)?,
                    }
                }
                Ok(())
            }
        }
        fmt::Write::write_fmt(&mut Into(f), format_args!("{}", self.0))
    }
}

/// A text as one segment of an address.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            use fmt::Write;
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

/// A whole page. `body` is markup.
pub(super) fn page(title: &str, tenant: &str, when: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{} · {}</title>\n<link rel=\"stylesheet\" href=\"/page.css\">\n</head>\n<body>\n\
         <header><a class=\"brand\" href=\"/status\">fhir-gateway</a> <span>{}</span> \
         <nav><a href=\"/status\">Status</a> <a href=\"/unmatched\">Unmatched patients</a></nav> \
         <span class=\"when\">as of {}</span></header>\n<main>\n{body}</main>\n</body>\n</html>\n",
        esc(title),
        esc(tenant),
        esc(tenant),
        esc(when),
    )
}

/// A button that posts. `fields` are hidden.
pub(super) fn button(action: &str, label: &str, class: &str, fields: &[(&str, &str)]) -> String {
    let hidden: String = fields
        .iter()
        .map(|(n, v)| {
            format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                esc(n),
                esc(v)
            )
        })
        .collect();
    format!(
        "<form method=\"post\" action=\"{}\">{hidden}<button class=\"{}\">{}</button></form>",
        esc(action),
        esc(class),
        esc(label)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_text_is_shown_and_not_obeyed() {
        assert_eq!(
            esc("<script>\"'&").to_string(),
            "&lt;script&gt;&quot;&#39;&amp;"
        );
        assert_eq!(segment("a/../b?c"), "a%2F..%2Fb%3Fc");
    }
}
