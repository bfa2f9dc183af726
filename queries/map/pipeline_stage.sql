-- A mapping's pipeline stages, with defaults for what it does not say. A word for the trigger that is none says nothing of it.
insert into stage_version
select
    $source, m.record_id, raw.raw_hash, trimmed(m.pipeline), text_of(m.service), m.revision, m.changed_by, m.changed_at, raw.unit, raw.position,
    trimmed(m.stage), text_of(m.environment), m.stage_order,
    case when lower(text_of(m.trigger)) in ('automatic', 'manual', 'scheduled', 'rollback') then lower(text_of(m.trigger)) end, m.approvals_required, texts_of(m.approvers), m.requester_can_approve, m.can_bypass,
    raw.batch_id
from (
    select
        null::varchar as record_id, null::varchar as pipeline, null::varchar as service, null::varchar as revision,
        null::varchar as changed_by, null::timestamp as changed_at, null::varchar as stage, null::varchar as environment,
        null::bigint as stage_order, null::varchar as trigger, null::bigint as approvals_required, null::varchar[] as approvers,
        null::boolean as requester_can_approve, null::boolean as can_bypass, null::varchar as problem
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
where text_of(m.pipeline) is not null and text_of(m.stage) is not null and m.problem is null;
