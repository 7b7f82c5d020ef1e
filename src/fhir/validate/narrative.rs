//! Rule `narrative`: the XHTML of `text.div` is well formed, one `div` that says something, made of
//! formatting only (txt-1, txt-2): no element or attribute that could run or bring something in.
//!
//! R4 names chapters of HTML 4.0; the lists below are what those chapters define.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

use super::at::At;
use super::check::Check;

/// Formatting elements of HTML 4.0, chapters 7 to 11 and 15, links and images.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "map",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
];

/// Attributes that every element may have.
const ANYWHERE: &[&str] = &[
    "abbr",
    "accesskey",
    "align",
    "axis",
    "char",
    "charoff",
    "class",
    "colspan",
    "dir",
    "headers",
    "id",
    "lang",
    "rowspan",
    "scope",
    "span",
    "style",
    "tabindex",
    "title",
    "valign",
    "width",
    "xml:lang",
    "xml:space",
];

/// Attributes of some elements.
const OF_ELEMENT: &[(&str, &[&str])] = &[
    (
        "a",
        &[
            "charset", "type", "name", "href", "hreflang", "rel", "rev", "shape", "coords",
        ],
    ),
    ("area", &["shape", "coords", "href", "nohref", "alt"]),
    ("blockquote", &["cite"]),
    ("col", &["bgcolor"]),
    ("div", &["xmlns"]),
    (
        "img",
        &[
            "src", "alt", "longdesc", "height", "usemap", "ismap", "border",
        ],
    ),
    ("map", &["name"]),
    ("ol", &["type", "start"]),
    ("pre", &["space"]),
    ("q", &["cite"]),
    (
        "table",
        &[
            "summary",
            "border",
            "frame",
            "rules",
            "cellspacing",
            "cellpadding",
            "bgcolor",
        ],
    ),
    ("td", &["nowrap", "bgcolor"]),
    ("th", &["nowrap", "bgcolor"]),
    ("tr", &["bgcolor"]),
    ("ul", &["type"]),
];

/// Entities that XML itself knows.
const ENTITIES: &[&str] = &["amp", "apos", "gt", "lt", "quot", "nbsp"];

const XHTML: &str = "http://www.w3.org/1999/xhtml";

impl<'a> Check<'a> {
    /// Checks a narrative.
    pub(super) fn narrative(&mut self, value: &'a Value, at: &At<'_>) {
        let Value::String(text) = value else { return };
        let mut links = Vec::new();
        if let Err(words) = sound(text, &mut links) {
            self.error("invalid", "narrative", at, words);
        }
        for link in links {
            if !self.anchored(&link) {
                let words = "a link into the resource itself leads nowhere";
                self.error("invalid", "narrative-link", at, words);
            }
        }
    }

    /// Whether something in the document has this id or anchor.
    fn anchored(&self, name: &str) -> bool {
        let marks = ["id=\"", "id='", "name=\"", "name='"];
        let holds = |text: &str| {
            marks.iter().any(|mark| {
                let whole = format!("{mark}{name}");
                text.match_indices(&whole).any(|(at, _)| {
                    text.get(at + whole.len()..)
                        .is_some_and(|rest| rest.starts_with(['"', '\'']))
                })
            })
        };
        let contained = self.root.get("contained").and_then(Value::as_array);
        contained
            .into_iter()
            .flatten()
            .any(|each| each.get("id").and_then(Value::as_str) == Some(name))
            || any_string(self.root, &holds)
    }
}

/// Whether any string inside passes.
pub(super) fn any_string(value: &Value, passes: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => passes(text),
        Value::Array(items) => items.iter().any(|item| any_string(item, passes)),
        Value::Object(map) => map.values().any(|item| any_string(item, passes)),
        _ => false,
    }
}

const BROKEN: &str = "the narrative is not well-formed XHTML";

/// Whether an XHTML text is a narrative; gathers its links into the resource itself.
pub(super) fn sound(text: &str, links: &mut Vec<String>) -> Result<(), &'static str> {
    let mut reader = Reader::from_str(text);
    let mut depth = 0_usize;
    let mut begun = false;
    let mut said = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                said |= element(&tag, depth, begun, links)?;
                begun = true;
                depth += 1;
            }
            Ok(Event::Empty(tag)) => {
                said |= element(&tag, depth, begun, links)?;
                begun = true;
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Text(words)) => {
                let words: &str = &words;
                let blank = words.chars().all(char::is_whitespace);
                if !blank && depth == 0 {
                    return Err(BROKEN);
                }
                said |= !blank;
            }
            Ok(Event::CData(_)) => said = true,
            Ok(Event::GeneralRef(entity)) => {
                let name: &str = &entity;
                if !ENTITIES.contains(&name) && !name.starts_with('#') {
                    return Err("an entity that XML does not know");
                }
                said = true;
            }
            Ok(Event::Eof) => break,
            Ok(Event::DocType(_) | Event::PI(_) | Event::Decl(_)) => {
                return Err("a narrative has no declarations");
            }
            Ok(Event::Comment(_)) => {}
            Err(_) => return Err(BROKEN),
        }
    }
    if !begun || depth != 0 {
        Err(BROKEN)
    } else if said {
        Ok(())
    } else {
        Err("the narrative says nothing")
    }
}

/// Checks a tag; whether it says something by itself (an image).
fn element(
    tag: &BytesStart<'_>,
    depth: usize,
    begun: bool,
    links: &mut Vec<String>,
) -> Result<bool, &'static str> {
    let name = tag.name();
    let name: &str = name.as_ref();
    if depth == 0 && (begun || name != "div") {
        return Err("a narrative is one div");
    }
    if ELEMENTS.binary_search(&name).is_err() {
        return Err("an element that a narrative must not have");
    }
    let own = OF_ELEMENT.iter().find(|(element, _)| *element == name);
    let mut space = false;
    for attribute in tag.attributes() {
        let Ok(attribute) = attribute else {
            return Err(BROKEN);
        };
        let key: &str = attribute.key.as_ref();
        if key == "xmlns" {
            if &*attribute.value != XHTML {
                return Err("the div must be in the XHTML namespace");
            }
            space = true;
            continue;
        }
        if key.starts_with("xmlns:") {
            continue;
        }
        if ANYWHERE.binary_search(&key).is_err() && !own.is_some_and(|(_, all)| all.contains(&key))
        {
            return Err("an attribute that a narrative must not have");
        }
        if key == "href"
            && let Some(link) = attribute.value.strip_prefix('#')
            && !link.is_empty()
        {
            links.push(link.to_owned());
        }
    }
    if depth == 0 && !space {
        return Err("the div must be in the XHTML namespace");
    }
    Ok(name == "img")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_passes_and_all_else_does_not() {
        let whole =
            |inner: &str| format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>");
        for inner in [
            "text",
            "<p class=\"x\">a &lt; b &#160;</p>",
            "<table border=\"1\"><tr><td colspan=\"2\">x</td></tr></table>",
            "<img src=\"#a\" alt=\"b\"/>",
            "<a href=\"http://example.org\">x</a><!-- so -->",
        ] {
            assert_eq!(sound(&whole(inner), &mut Vec::new()), Ok(()), "{inner}");
        }
        for inner in [
            "",
            " \n",
            "<p/>",
            "<script>x</script>",
            "<p onclick=\"x\">x</p>",
            "<tr idref=\"x\"><td>x</td></tr>",
            "&reg; x",
            "<p>x",
            "x</div><div>y",
        ] {
            assert!(sound(&whole(inner), &mut Vec::new()).is_err(), "{inner}");
        }
        assert!(sound("<div>x</div>", &mut Vec::new()).is_err());
        assert!(ELEMENTS.is_sorted() && ANYWHERE.is_sorted());
        let mut links = Vec::new();
        sound(&whole("<a href=\"#there\">x</a>"), &mut links).expect("sound");
        assert_eq!(links, ["there"]);
    }
}
