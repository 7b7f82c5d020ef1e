//! What people have begun and what is still to be said about it, on the status page: proposals that wait for
//! a second person, and replays that run. Shows who, when and in whose words; of a record nothing.

use std::fmt::Write;

use super::html::{button, esc, segment};
use super::status::Shown;
use super::words;
use crate::ids::PartnerId;
use crate::sync::ports::{Proposal, Replay, ReplayState};

impl Shown<'_> {
    /// What waits for a second person.
    pub(super) fn proposals(&self, out: &mut String) {
        if self.proposals.is_empty() {
            return;
        }
        out.push_str(
            "<section class=\"cause bad\"><h3>Waits for a second person</h3>\
             <p class=\"press\">Somebody proposed this; nothing happens until another person confirms it. Look at what it is about first.</p>\
             <div class=\"scroll\"><table><thead><tr><th>What<th>About<th>Proposed by<th>Why<th>Since<th></thead><tbody>\n",
        );
        for p in self.proposals {
            let _ = write!(
                out,
                "<tr><td>{}<td><code>{}</code><td>{}<td>{}<td>{} ago<td class=\"act\">",
                esc(&p.what),
                esc(&p.about),
                esc(&p.deed.who),
                esc(&p.deed.why),
                esc(words::age(self.now.since(p.deed.at))),
            );
            self.decide(out, p);
            out.push('\n');
        }
        out.push_str("</tbody></table></div></section>\n");
    }

    /// Whoever proposed it may take it back; another person may confirm it, too.
    fn decide(&self, out: &mut String, proposal: &Proposal) {
        if !self.may_act {
            return;
        }
        let back = [("back", "/status")];
        let address = |act| format!("/proposals/{}/{act}", segment(&proposal.id));
        let own = proposal.deed.who == self.who;
        if !own {
            out.push_str(&button(&address("confirm"), "Confirm", "sure", &back));
        }
        let label = if own { "Take back" } else { "Reject" };
        out.push_str(&button(&address("reject"), label, "", &back));
    }

    /// The replays that run, or are being stopped.
    pub(super) fn replays(&self, out: &mut String) {
        if self.replays.is_empty() {
            return;
        }
        out.push_str(
            "<section class=\"cause plain\"><h3>Replays</h3><p class=\"press\">They move by themselves; stopping one \
             takes back what it made and did not send yet, and nothing else.</p>\
             <div class=\"scroll\"><table><thead><tr><th>Replay<th>To<th class=\"n\">Looked through<th class=\"n\">Made anew\
             <th class=\"n\">Let go again<th class=\"n\">Left out<th class=\"n\">A second<th>By<th>Since<th></thead><tbody>\n",
        );
        for r in self.replays {
            let partner = r.filter.partner.as_ref().map_or("", PartnerId::as_str);
            let _ = write!(
                out,
                "<tr><td><code>{}</code><td>{}<td class=\"n\">{} %<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}\
                 <td class=\"n\">{}<td>{}<td>{} ago<td class=\"act\">",
                esc(&r.id),
                esc(partner),
                looked_through(r),
                r.made,
                r.retried,
                r.skipped.values().sum::<u64>(),
                r.rate,
                esc(&r.deed.who),
                esc(words::age(self.now.since(r.deed.at))),
            );
            match r.state {
                ReplayState::Running if self.may_act => {
                    let stop = format!("/replays/{}/cancel", segment(&r.id));
                    out.push_str(&button(&stop, "Stop", "", &[("back", "/status")]));
                }
                ReplayState::Running => {}
                state => out.push_str(state.as_str()),
            }
            out.push('\n');
        }
        out.push_str("</tbody></table></div></section>\n");
    }
}

/// How far a replay has looked, in percent of accepted order.
pub(super) fn looked_through(replay: &Replay) -> i64 {
    match replay.upto {
        1.. => (replay.cursor.saturating_mul(100) / replay.upto).clamp(0, 100),
        _ => 100,
    }
}
