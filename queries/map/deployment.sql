-- A mapping's deployments, with defaults for what it does not say. What cannot be a deployment is set aside.
insert into deployment_version
select
    $source, m.record_id, raw.raw_hash, m.deployment_id, m.recorded_at, raw.unit, raw.position,
    text_of(m.release_id), trimmed(m.pipeline), text_of(m.service), text_of(m.version), text_of(m.commit_sha), digests_of(m.artifact_digest),
    text_of(m.steps_digest), trimmed(m.stage), text_of(m.environment),
    case when lower(text_of(m.trigger)) in ('automatic', 'manual', 'scheduled', 'rollback') then lower(text_of(m.trigger)) end,
    text_of(m.requested_by), m.started_at, m.finished_at, m.outcome, m.bypassed,
    list_transform(m.approvals, lambda a: {
        'phase': phase_of(a.phase), 'decision': decision_of(a.decision), 'approver': text_of(a.approver), 'decided_at': a.decided_at,
        'automated': a.automated, 'gated': a.gated, 'comment': a.comment
    }),
    coalesce(texts_of(m.run_ids), []), coalesce(texts_of(m.session_names), []), coalesce(texts_of(m.correlation_ids), []), coalesce(texts_of(m.app_ids), []),
    coalesce(texts_of(m.roles), []), coalesce(texts_of(m.subjects), []), m.url, texts_of(m.tickets), texts_of(m.authors), texts_of(m.items),
    raw.batch_id
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
        null::varchar[] as tickets, null::varchar[] as authors, null::varchar as problem
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
where m.deployment_id is not null and m.pipeline is not null and m.stage is not null and coalesce(m.problem, not_decisions(m.approvals)) is null
  -- what a content system tells of its own items is told apart from what another site of the same vendor tells
  and not coalesce(lower(split_part(m.items[1], ':', 1)) = lower($system) and not (starts_with(m.deployment_id, $source || ':') and starts_with(coalesce(m.release_id, m.deployment_id), $source || ':')), false)
  and m.outcome in ('succeeded', 'partial', 'failed', 'cancelled', 'rejected', 'running');
