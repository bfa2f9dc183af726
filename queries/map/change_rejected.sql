insert into quarantine
select $source, raw.unit, raw.position::varchar, 'map',
       case when not isfinite(e.occurred_at) then 'the mapping finds no time' when e.action <> '' then 'the mapping finds the time ' || e.occurred_at else 'the mapping finds no action' end,
       raw.raw_hash, coalesce(case when can_be(e.occurred_at) then e.occurred_at end, case when can_be(raw.occurred_at) then raw.occurred_at end, b.committed_at, $now)::date, 0, raw.record
from event e
join raw using (record_id)
left join batch b on b.batch_id = raw.batch_id
where e.source = $source and e.batch_id > $after_batch and (not isfinite(e.occurred_at) or (e.category = 'change' and not can_be(e.occurred_at)) or e.action = '');
delete from event where source = $source and batch_id > $after_batch and (not isfinite(occurred_at) or (category = 'change' and not can_be(occurred_at)) or action = '');
