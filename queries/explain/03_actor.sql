-- title: Actor
-- description: How the actor was found: what the record declares, what sign-in evidence leads to, what was only claimed.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select left(sha256(e.system || chr(31) || e.change_key), 32) from event e where e.record_id = $change_id and e.category = 'change'
)
select
    e.actor_type as declared_as, e.actor_name as declared_name, e.actor_role as role, e.session_name, e.session_key, e.session_started,
    e.source_identity, e.invoked_by, e.console as console_flag, e.user_agent,
    a.root_type as evidence_leads_to, a.subject, p.provider,
    p.pipeline as declared_for_pipeline, p.pipeline_valid as subject_fits,
    a.actor_kind, a.actor, a.actor_basis, a.actor_reason
from chosen
join change_event e using (change_id)
join attributed a using (change_id)
left join actor p on p.appearance_id = a.appearance_id;
