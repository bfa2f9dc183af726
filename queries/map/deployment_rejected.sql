insert into quarantine
select $source, raw.unit, raw.position::varchar, 'map',
       case
           when m.deployment_id is null then 'the record has no id'
           when m.pipeline is null then 'the record names no pipeline'
           when m.stage is null then 'the record names no stage'
           else 'unknown outcome ' || coalesce(m.outcome, '(none)') || '; one of succeeded, partial, failed, cancelled, rejected, running'
       end,
       raw.raw_hash, coalesce(raw.occurred_at, $now)::date, 0, raw.record
from (
{mapping}
) m
join raw using (record_id)
where m.deployment_id is null or m.pipeline is null or m.stage is null
   or m.outcome is null or m.outcome not in ('succeeded', 'partial', 'failed', 'cancelled', 'rejected', 'running');
