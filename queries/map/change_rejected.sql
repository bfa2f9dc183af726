insert into quarantine
select $source, raw.unit, raw.position::varchar, 'map',
       case when m.occurred_at is null then 'the mapping finds no time' else 'the mapping finds no action' end,
       raw.raw_hash, coalesce(m.occurred_at, raw.occurred_at, $now)::date, 0, raw.record
from (
{mapping}
) m
join raw using (record_id)
where m.occurred_at is null or nullif(m.action, '') is null;
