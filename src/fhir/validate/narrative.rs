//! Rule `narrative`: the XHTML of `text.div` is well formed, a `div`, without what could run.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

use super::at::At;
use super::check::Check;

/// Elements that can do something, or bring something in.
const REFUSED: &[&str] = &[
    "script", "form", "input", "object", "embed", "iframe", "frame", "base", "link", "meta",
    "head", "body", "html", "applet", "style", "audio", "video", "button", "select", "textarea",
];

impl Check<'_> {
    /// Checks a narrative.
    pub(super) fn narrative(&mut self, value: &Value, at: &At<'_>) {
        if let Value::String(text) = value
            && let Err(words) = sound(text)
        {
            self.error("invalid", "narrative", at, words);
        }
    }
}

fn sound(text: &str) -> Result<(), &'static str> {
    let mut reader = Reader::from_str(text);
    let mut depth = 0_usize;
    let mut begun = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                element(tag.name().as_ref(), depth, begun)?;
                attributes(&tag)?;
                begun = true;
                depth += 1;
            }
            Ok(Event::Empty(tag)) => {
                element(tag.name().as_ref(), depth, begun)?;
                attributes(&tag)?;
                begun = true;
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) => break,
            Ok(Event::DocType(_) | Event::PI(_) | Event::Decl(_)) => {
                return Err("a narrative has no declarations");
            }
            Ok(_) => {}
            Err(_) => return Err("the narrative is not well-formed XHTML"),
        }
    }
    if begun && depth == 0 {
        Ok(())
    } else {
        Err("the narrative is not well-formed XHTML")
    }
}

fn element(name: &str, depth: usize, begun: bool) -> Result<(), &'static str> {
    if depth == 0 && (begun || name != "div") {
        return Err("a narrative is one div");
    }
    if REFUSED.contains(&name) {
        return Err("an element that a narrative must not have");
    }
    Ok(())
}

fn attributes(tag: &quick_xml::events::BytesStart<'_>) -> Result<(), &'static str> {
    for attribute in tag.attributes() {
        let Ok(attribute) = attribute else {
            return Err("the narrative is not well-formed XHTML");
        };
        let key = attribute.key.as_ref();
        if key.len() > 2 && key.starts_with("on") {
            return Err("an attribute that a narrative must not have");
        }
        if key == "xmlns" && &*attribute.value != "http://www.w3.org/1999/xhtml" {
            return Err("the div must be in the XHTML namespace");
        }
    }
    Ok(())
}
