insert into quarantine
select $source, raw.unit, raw.position::varchar, 'map',
       coalesce(not_a_decision(m.decision, m.phase), m.problem, 'the approval names no deployment, release, run, ticket, commit or address'),
       raw.raw_hash, coalesce(raw.occurred_at, b.committed_at, $now)::date, 0, raw.record
from (
    select
        null::varchar as record_id, null::varchar as deployment_id, null::varchar as release_id, null::varchar as run_id, null::varchar as ticket,
        null::varchar as commit_sha, null::varchar as url, null::varchar as decision, null::varchar as phase, null::varchar as problem
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
left join batch b on b.batch_id = raw.batch_id
where coalesce(not_a_decision(m.decision, m.phase), m.problem) is not null
   or coalesce(m.deployment_id, text_of(m.release_id), text_of(m.run_id), text_of(m.ticket), text_of(m.commit_sha), m.url) is null;
