insert into quarantine
select $source, raw.unit, raw.position::varchar, 'map',
       case
           when m.deployment_id is null then 'the record has no id'
           when m.pipeline is null then 'the record names no pipeline'
           when m.stage is null then 'the record names no stage'
           when coalesce(m.problem, not_decisions(m.approvals)) is not null then coalesce(m.problem, not_decisions(m.approvals))
           when lower(split_part(m.items[1], ':', 1)) = lower($system) and not (starts_with(m.deployment_id, $source || ':') and starts_with(coalesce(m.release_id, m.deployment_id), $source || ':'))
           then 'deployment_id and release_id of a release of own items must begin with the source and a colon, or those of another site could be equal'
           else 'unknown outcome ' || coalesce(m.outcome, '(none)') || '; one of succeeded, partial, failed, cancelled, rejected, running'
       end,
       raw.raw_hash, coalesce(raw.occurred_at, b.committed_at, $now)::date, 0, raw.record
from (
    select
        null::varchar as problem, null::varchar as release_id, null::varchar[] as items,
        null::struct(phase varchar, decision varchar, approver varchar, decided_at timestamp, automated boolean, gated boolean, comment varchar)[] as approvals
    where false
    union all by name
    (
{mapping}
    )
) m
join raw using (record_id)
left join batch b on b.batch_id = raw.batch_id
where m.deployment_id is null or m.pipeline is null or m.stage is null or coalesce(m.problem, not_decisions(m.approvals)) is not null
   or (lower(split_part(m.items[1], ':', 1)) = lower($system) and not (starts_with(m.deployment_id, $source || ':') and starts_with(coalesce(m.release_id, m.deployment_id), $source || ':')))
   or m.outcome is null or m.outcome not in ('succeeded', 'partial', 'failed', 'cancelled', 'rejected', 'running');
