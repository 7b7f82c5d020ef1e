//! XML as pharmacies really send it, read into a small tree.
//!
//! Tolerant of what does no harm: a BOM, any prolog, namespaces or none, unknown elements, comments,
//! a wrong `encoding`, UTF-16, a document escaped within `<string>`. Strict where harm begins: no DOCTYPE
//! and no entities but XML's own five (nothing is ever expanded), caps on bytes, depth and nodes. Must
//! never put a text of the document into an issue.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::issue::Issue;

/// Bytes of a document at most.
pub const BYTES_MAX: usize = 4 << 20;
/// Nested elements at most.
pub const DEPTH_MAX: usize = 64;
/// Elements and attributes at most.
const NODES_MAX: usize = 50_000;

/// An element: its name without prefix, its attributes, its text, its children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Name, without prefix.
    pub name: String,
    /// Attributes, in their order, names without prefix.
    pub attributes: Vec<(String, String)>,
    /// Its own text, trimmed; what stood between children is run together.
    pub text: String,
    /// Its elements, in their order.
    pub children: Vec<Node>,
}

impl Node {
    /// The first child of this name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|c| c.name == name)
    }

    /// All children of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |c| c.name == name)
    }

    /// The element at a path of names, `a/b/c`.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('/')
            .try_fold(self, |node, name| node.child(name))
    }

    /// The text at a path, where there is one.
    #[must_use]
    pub fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path)
            .map(|n| n.text.as_str())
            .filter(|t| !t.is_empty())
    }

    /// An attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The first element of this name, itself or below.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Node> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|c| c.find(name))
    }
}

/// Reads a document.
///
/// # Errors
/// Why it cannot be read, in our words.
pub fn read(bytes: &[u8]) -> Result<Node, Issue> {
    if bytes.len() > BYTES_MAX {
        return Err(wrong(
            "too-long",
            "xml-bytes",
            "the document is longer than the limit",
        ));
    }
    let text = decoded(bytes)?;
    let root = tree(text.trim_start())?;
    // .NET services answer `<string>` with the whole document escaped in it.
    if root.children.is_empty() && root.text.starts_with('<') {
        return tree(&root.text);
    }
    Ok(root)
}

fn wrong(code: &'static str, rule: &'static str, message: &'static str) -> Issue {
    Issue::error(code, rule, "", message)
}

/// The text of the document: UTF-8, UTF-16 with a BOM, or Latin-1 where the prolog says so. What the
/// prolog says otherwise is not believed: `utf-16` stands over UTF-8 often enough.
fn decoded(bytes: &[u8]) -> Result<String, Issue> {
    let odd = || {
        wrong(
            "structure",
            "xml-encoding",
            "the bytes are not text in a known encoding",
        )
    };
    let units = |pair: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|c| pair([c[0], c[1]]));
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .map_err(|_| odd())
    };
    match bytes {
        [0xFF, 0xFE, ..] => return units(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => return units(u16::from_be_bytes),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(text.to_owned());
    }
    let prolog: String = bytes
        .iter()
        .take(100)
        .map(|b| char::from(b.to_ascii_lowercase()))
        .collect();
    if prolog.contains("iso-8859-1") || prolog.contains("windows-1252") {
        return Ok(bytes.iter().map(|b| char::from(*b)).collect());
    }
    Err(odd())
}

fn tree(text: &str) -> Result<Node, Issue> {
    let broken = || {
        wrong(
            "structure",
            "xml-syntax",
            "the document is not well-formed XML",
        )
    };
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Node> = Vec::new();
    let large = || {
        wrong(
            "too-costly",
            "xml-size",
            "the document is deeper or larger than the limit",
        )
    };
    let mut nodes = 0;
    loop {
        if nodes > NODES_MAX {
            return Err(large());
        }
        match reader.read_event().map_err(|_| broken())? {
            Event::Start(start) => {
                let node = element(&start, &mut nodes).ok_or_else(broken)?;
                if open.len() >= DEPTH_MAX {
                    return Err(large());
                }
                open.push(node);
            }
            Event::Empty(start) => {
                let node = element(&start, &mut nodes).ok_or_else(broken)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None => return Ok(node),
                }
            }
            Event::End(_) => {
                let mut node = open.pop().ok_or_else(broken)?;
                node.text = node.text.trim().to_owned();
                match open.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None => return Ok(node),
                }
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(name) => {
                let found = match name.resolve_char_ref() {
                    Ok(Some(c)) => Some(c.to_string()),
                    Ok(None) => resolve_predefined_entity(&name).map(str::to_owned),
                    Err(_) => None,
                };
                let text = found.ok_or_else(|| {
                    wrong(
                        "structure",
                        "xml-entity",
                        "an entity that XML does not know stands in the document",
                    )
                })?;
                add(&mut open, &text);
            }
            Event::DocType(_) => {
                return Err(wrong(
                    "structure",
                    "xml-doctype",
                    "a DOCTYPE stands in the document",
                ));
            }
            Event::Eof => return Err(broken()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn add(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

fn element(start: &BytesStart<'_>, nodes: &mut usize) -> Option<Node> {
    let mut node = Node {
        name: start.local_name().as_ref().to_owned(),
        ..Node::default()
    };
    *nodes += 1;
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        *nodes += 1;
        let value = quick_xml::escape::unescape(&attribute.value).ok()?;
        node.attributes.push((
            attribute.key.local_name().as_ref().to_owned(),
            value.into_owned(),
        ));
    }
    Some(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &[u8]) -> String {
        read(text)
            .err()
            .map(|i| i.rule.into_owned())
            .unwrap_or_default()
    }

    #[test]
    fn what_does_no_harm_is_read() {
        let plain =
            read(b"<M a='1&amp;2'><B> x &amp;&#65; <![CDATA[<y>]]></B><C/></M>").expect("reads");
        assert_eq!(plain.attribute("a"), Some("1&2"));
        assert_eq!(plain.text_at("B"), Some("x &A <y>"));
        for odd in [
            "\u{FEFF}<?xml version='1.0' encoding='utf-16'?><M a='1&amp;2'><B> x &amp;&#65; <![CDATA[<y>]]></B><C/></M>",
            "\n <!-- c --><s:M xmlns:s='urn:x' a='1&amp;2'><s:B> x &amp;&#65; <![CDATA[<y>]]></s:B><s:C/></s:M>",
            "<string xmlns='urn:y'>&lt;M a='1&amp;amp;2'&gt;&lt;B&gt; x &amp;amp;A &amp;lt;y&gt;&lt;/B&gt;&lt;C/&gt;&lt;/M&gt;</string>",
        ] {
            let found = read(odd.as_bytes()).expect("reads");
            assert_eq!(found.text_at("B"), Some("x &A <y>"), "{odd}");
            assert_eq!(found.name, "M");
        }
        let utf16: Vec<u8> = [0xFF, 0xFE]
            .into_iter()
            .chain("<M>é</M>".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        assert_eq!(read(&utf16).expect("reads").text, "é");
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><M>\xE9</M>";
        assert_eq!(read(latin).expect("reads").text, "é");
    }

    #[test]
    fn what_does_harm_is_not() {
        assert_eq!(
            rule(b"<!DOCTYPE M [<!ENTITY a 'aa'>]><M>&a;</M>"),
            "xml-doctype"
        );
        assert_eq!(rule(b"<M>&a;</M>"), "xml-entity");
        assert_eq!(rule(b"<M>"), "xml-syntax");
        assert_eq!(rule(b"<M></N>"), "xml-syntax");
        assert_eq!(rule(b""), "xml-syntax");
        assert_eq!(rule(b"no XML"), "xml-syntax");
        assert_eq!(rule(b"<M a=1></M>"), "xml-syntax");
        assert_eq!(rule(b"<M>\xFF\xFE</M>"), "xml-encoding");
        assert_eq!(rule("<a>".repeat(100).as_bytes()), "xml-size");
        assert_eq!(
            rule(format!("<a>{}</a>", "<b/>".repeat(60_000)).as_bytes()),
            "xml-size"
        );
        assert_eq!(rule(&vec![b' '; BYTES_MAX + 1]), "xml-bytes");
    }
}
