-- title: Actor
-- description: How the actor was found: what the record declares, what sign-in evidence leads to, what was only claimed.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
)
select
    own.actor_type as declared_as, own.actor_name as declared_name, own.actor_role as role, own.session_name, own.session_key, own.session_started,
    own.source_identity, own.invoked_by, own.console as console_flag, e.user_agent,
    a.root_type as evidence_leads_to, a.subject, a.provider, a.pipeline as declared_for_pipeline, a.pipeline_valid as subject_fits,
    t.actor_kind, t.actor, t.actor_basis, t.actor_reason
from chosen
join attributed t using (change_id)
join change_event c using (change_id)
join event e on e.source = c.source and e.record_id = c.record_id and e.raw_hash = c.raw_hash
join actor own on own.appearance_id = t.own_appearance_id
join actor a on a.appearance_id = t.appearance_id;
