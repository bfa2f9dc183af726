insert into quarantine
select $source, raw.unit, raw.position::varchar, 'map', 'the mapping finds no time of the sign-in',
       raw.raw_hash, coalesce(b.committed_at, $now)::date, 0, raw.record
from session s
join raw using (record_id)
left join batch b on b.batch_id = raw.batch_id
where s.source = $source and s.batch_id > $after_batch and not isfinite(s.occurred_at);
delete from session where source = $source and batch_id > $after_batch and not isfinite(occurred_at);
