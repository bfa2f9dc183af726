-- A mapping's sessions, with defaults for what it does not say. What has no time is taken in as such, and set aside by the next
-- statement: so the mapping, which costs most, runs once.
insert into session
select
    $source, coalesce(m.system, $system), m.record_id, raw.raw_hash, coalesce(m.occurred_at, m.issued_at, raw.occurred_at, '-infinity'),
    m.issued_key, m.issued_name, m.role, m.session_name, coalesce(m.caller_type, 'unknown'), m.caller_name, m.caller_role,
    m.caller_session, m.caller_key, m.caller_started, m.provider, m.subject, m.run_id,
    coalesce(m.tag_run_id, text_of(try_cast(m.tags as json)->>'$.RunId')), m.source_identity, m.shared_key, m.credential, raw.batch_id
from (
    select
        null::varchar as record_id, null::timestamp as occurred_at, null::varchar as system, null::varchar as issued_key,
        null::varchar as issued_name, null::varchar as role, null::varchar as session_name, null::varchar as caller_type,
        null::varchar as caller_name, null::varchar as caller_role, null::varchar as caller_session, null::varchar as caller_key,
        null::timestamp as caller_started, null::varchar as provider, null::varchar as subject, null::varchar as run_id,
        null::varchar as tag_run_id, null::varchar as source_identity, null::varchar as shared_key, null::varchar as credential,
        null::varchar as tags, null::timestamp as issued_at, null::timestamp as expires_at
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id);
