-- The records in `left_over` are set aside: a mapping may sort, but not lose.
insert into quarantine
select $source, r.unit, r.position::varchar, 'map', 'the mapping makes nothing of it', r.raw_hash, coalesce(r.occurred_at, b.committed_at, $now)::date, 0, r.record
from raw r
semi join left_over using (record_id)
left join batch b on b.batch_id = r.batch_id
where not exists (from quarantine q where q.source = $source and q.hash = r.raw_hash);
