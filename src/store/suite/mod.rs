//! What every store has to do, written once against [`Store`](crate::sync::ports::Store): each engine
//! runs all of it by [`conformance!`]. A test knows nothing of an engine; it must never look behind the
//! trait.

pub(super) mod admission;
pub(super) mod consent;
pub(super) mod crosswalk;
pub(super) mod desk;
mod hands;
pub(super) mod history;
pub(super) mod keeping;
pub(super) mod lanes;
pub(super) mod machine;
pub(super) mod make;
pub(super) mod merges;
mod model;

pub(super) mod needs;
pub(super) mod pace;
pub(super) mod patients;
pub(super) mod people;
pub(super) mod prescriptions;
pub(super) mod raws;
pub(super) mod records;
pub(super) mod replays;
pub(super) mod second;
pub(super) mod shown;
pub(super) mod steps;
pub(super) mod tenants;
pub(super) mod work;

/// Runs the suite over an engine: `conformance!(path::to::fresh)`, where `fresh()` gives an empty store
/// with whatever must live as long as it, or nothing where its engine is not on this machine.
macro_rules! conformance {
    ($fresh:path) => {
        $crate::store::suite::conformance! { @each $fresh;
            admission: everything_of_an_admission_is_there_after_it,
                a_repeat_gets_its_first_answer_and_writes_nothing,
                an_idempotency_key_belongs_to_one_caller_and_one_body,
                a_refused_submission_does_not_consume_its_key,
                a_lower_version_and_other_content_conflict,
                what_has_moved_is_not_written,
                a_transition_needs_the_state_that_was_seen,
                raw_bytes_are_settled_once;
            raws: bytes_are_kept_before_anything_else, a_repeat_finds_the_first_bytes,
                same_bytes_without_an_id_repeat_for_seven_days, settled_bytes_say_why,
                what_a_crash_left_is_found_oldest_first,
                unmatched_bytes_wait_for_their_patient_and_go_on_when_linked,
                a_patient_linked_while_a_message_was_looked_at_is_not_missed;
            records: the_newest_version_is_found_and_any_version_by_name,
                resources_keep_their_ids_and_count_up, consents_of_a_client_at_their_newest,
                who_leans_on_a_record, the_feed_goes_on_in_commit_order;
            crosswalk: a_row_is_made_and_renewed, a_merged_patient_answers_to_the_survivor,
                linking_releases_the_jobs_of_the_patient,
                whoever_finds_a_patient_releases_the_jobs_that_wait_for_them;
            lanes: a_chain_goes_in_accepted_order_one_at_a_time, lanes_do_not_wait_for_each_other,
                a_patient_line_goes_in_accepted_order, a_parked_job_lets_the_next_go,
                a_chain_stays_in_order_while_the_order_of_its_partner_is_changed,
                a_cancel_goes_before_what_waits_and_past_what_is_parked_or_held,
                a_cancel_waits_for_what_is_unclear_in_its_chain_only,
                a_job_that_waits_for_its_time_keeps_its_line, cancels_go_first_across_lanes;
            needs: a_job_waits_for_what_it_refers_to, what_has_ended_or_parked_is_not_waited_for,
                what_is_known_there_is_not_waited_for, what_is_held_is_not_waited_for,
                the_successor_of_what_was_replaced_is_waited_for,
                nothing_waits_in_a_circle, a_retried_job_is_waited_for_again;
            merges: both_patients_wait_for_their_merge, a_merge_goes_although_it_needs_who_it_holds,
                in_a_patient_line_a_merge_takes_its_turn, a_second_merge_waits_for_the_first,
                what_a_merge_waits_for_through_others_is_not_held,
                a_parked_merge_holds_on_and_a_cancelled_one_lets_go;
            prescriptions: a_new_one_waits_for_the_approval, a_denial_parks_it, what_a_rule_blocks_stays_blocked,
                an_answer_that_came_first_counts, silence_parks_it, waiting_for_a_cancel_is_not_skipped,
                past_its_last_send_it_parks_even_when_paused, only_a_cancel_is_confirmed;
            work: only_what_is_due_and_has_room_is_claimed, a_claim_says_all_that_a_worker_needs,
                a_paused_partner_gets_nothing, a_pause_holds_in_a_claim_for_several_partners, a_report_writes_attempt_outcome_and_state,
                effects_resume_at_the_first_open_one, a_lost_lease_writes_nothing,
                a_lease_that_ran_out_is_unclear, leases_that_run_out_come_to_an_end, asking_is_claimed_when_due,
                an_outage_pauses_and_a_good_answer_ends_it, a_probe_ends_what_it_was_asked_about,
                a_probe_that_is_due_is_handed_out_once,
                the_next_due_time_is_known, a_change_is_announced;
            pace: a_partner_is_left_alone_after_so_many_outages_in_a_row,
                nothing_waits_for_ever_behind_what_is_more_urgent, a_parked_job_may_hold_its_lane;
            patients: first_messages_of_a_patient_go_one_at_a_time,
                whoever_may_have_made_the_patient_is_waited_for,
                who_makes_the_patient_goes_by_acceptance, only_who_may_make_the_patient_waits;
            consent: denials_are_kept_until_decided_anew, a_cancel_may_go_where_a_copy_is_denied,
                what_the_gate_holds_leaves_its_lane_until_consents_change,
                a_consent_that_came_meanwhile_is_not_missed,
                a_denial_under_older_consents_is_decided_again;
            people: a_retry_begins_the_schedule_anew, what_may_not_be_retried,
                cancelling_stops_it_for_good, resolving_there_sends_the_rest,
                resolving_not_there_sends_parks_or_replaces, nobody_acts_on_what_is_in_flight;
            keeping: what_is_sound_passes, what_nobody_takes_is_found_and_forgotten_when_taken,
                bodies_go_after_their_time, a_restored_database_asks_before_it_sends,
                a_restored_database_goes_on_with_no_wish,
                readers_of_the_feed_miss_nothing_after_a_restore;
            shown: the_counts_add_up_in_every_state, a_story_tells_everything,
                the_status_lists_what_needs_looking_at, refusals_are_counted_without_bodies,
                old_keys_are_dropped_and_nothing_else;
            desk: jobs_are_found_by_what_they_are, a_job_is_shown_with_all_that_belongs_to_it,
                lanes_are_listed_biggest_first, every_blocker_has_its_name,
                a_drain_lets_go_what_was_there_and_nothing_newer,
                a_drain_lets_go_what_stands_in_front_of_what_was_there,
                a_probe_by_hand_comes_now_and_touches_no_pause_by_a_person,
                a_hold_stops_a_patient_at_one_partner_or_at_all,
                a_hold_stops_a_merge_of_either_patient;
            tenants: no_method_reaches_another_tenant;
        }
    };
    (anew $fresh:path) => {
        $crate::store::suite::conformance! { @each $fresh;
            replays: candidates_come_in_accepted_order, a_whole_job_has_its_bytes,
                a_replay_is_begun_once_and_a_step_done_once, what_has_moved_is_not_replayed,
                a_stopped_replay_takes_back_what_was_never_tried;
            second: one_proposes_and_another_confirms_once, a_job_stands_in_for_what_has_not_moved;
        }
    };
    (@each $fresh:path; $($topic:ident: $($name:ident),+;)+) => {
        $(mod $topic {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn $name() {
                let Some((store, _kept)) = $fresh() else {
                    return;
                };
                $crate::store::suite::$topic::$name(&store).await;
            })+
        })+
    };
}
pub(super) use conformance;
