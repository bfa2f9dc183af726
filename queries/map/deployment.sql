-- A mapping's deployments, with defaults for what it does not say. What cannot be a deployment is set aside.
insert into deployment_version
select
    $source, m.record_id, raw.raw_hash, m.deployment_id, m.recorded_at, raw.unit, raw.position,
    m.release_id, m.pipeline, m.service, m.version, m.commit_sha, m.artifact_digest, m.steps_digest, m.stage, m.environment,
    case when m.trigger in ('automatic', 'manual', 'scheduled', 'rollback') then m.trigger end,
    m.requested_by, m.started_at, m.finished_at, m.outcome, m.bypassed, m.approvals,
    coalesce(m.run_ids, []), coalesce(m.session_names, []), coalesce(m.correlation_ids, []), coalesce(m.app_ids, []),
    coalesce(m.roles, []), coalesce(m.subjects, []), m.url, m.tickets, m.authors, m.items
from (
    select
        null::varchar as record_id, null::varchar as deployment_id, null::timestamp as recorded_at, null::varchar as release_id,
        null::varchar as pipeline, null::varchar as service, null::varchar as version, null::varchar as commit_sha,
        null::varchar as artifact_digest, null::varchar as steps_digest, null::varchar as stage, null::varchar as environment,
        null::varchar as trigger, null::varchar as requested_by, null::timestamp as started_at, null::timestamp as finished_at,
        null::varchar as outcome, null::boolean as bypassed,
        null::struct(phase varchar, decision varchar, approver varchar, decided_at timestamp, automated boolean, gated boolean, comment varchar)[] as approvals,
        null::varchar[] as run_ids, null::varchar[] as session_names, null::varchar[] as correlation_ids, null::varchar[] as app_ids,
        null::varchar[] as roles, null::varchar[] as subjects, null::varchar[] as items, null::varchar as url,
        null::varchar[] as tickets, null::varchar[] as authors
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
where m.deployment_id is not null and m.pipeline is not null and m.stage is not null
  and m.outcome in ('succeeded', 'partial', 'failed', 'cancelled', 'rejected', 'running');
