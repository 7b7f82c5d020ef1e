//! The page of patients to be linked. It shows the partner's id of each: whoever links needs it, and
//! has the right to act.

use std::fmt::Write;

use super::html::{esc, page as whole};
use super::words;
use crate::clock::Time;
use crate::sync::house::Tenant;
use crate::sync::ports::Unmatched;

/// The page.
pub(super) fn page(tenant: &Tenant, now: Time, list: &[Unmatched]) -> String {
    let mut out = String::from("<h1>Unmatched patients</h1>\n");
    if list.is_empty() {
        out.push_str("<p class=\"lead good\">Nobody waits to be linked.</p>\n");
    } else {
        out.push_str(
            "<p class=\"lead warn\">A partner sent something about these patients, and none of our \
             clients carries that id. Find the person at both sides, then link them: what waits is \
             then worked on. Nothing was lost meanwhile.</p>\n\
             <div class=\"scroll\"><table><thead><tr><th>Partner<th>Their id<th class=\"n\">Messages waiting<th>Since<th>Our client\
             </thead><tbody>\n",
        );
        for u in list {
            let _ = writeln!(
                out,
                "<tr><td>{p}<td>{t}<td class=\"n\">{}<td>{} ago<td><form method=\"post\" action=\"/unmatched/link\">\
                 <input type=\"hidden\" name=\"partner\" value=\"{p}\"><input type=\"hidden\" name=\"their_id\" value=\"{t}\">\
                 <input name=\"client\" required maxlength=\"32\" aria-label=\"Client number\" placeholder=\"client number\">\
                 <button>Link</button></form>",
                u.waiting,
                esc(words::age(now.since(u.since))),
                p = esc(&u.partner),
                t = esc(&u.their_id),
            );
        }
        out.push_str("</tbody></table></div>\n");
    }
    whole(
        "Unmatched patients",
        tenant.id.as_str(),
        &words::moment(now, &tenant.zone),
        &out,
    )
}
