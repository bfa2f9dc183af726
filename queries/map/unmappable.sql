-- Records on which the mapping fails are set aside.
insert into quarantine
select $source, r.unit, r.position::varchar, 'map', 'the mapping fails: ' || u.error, r.hash, coalesce(r.occurred_at, b.committed_at, $now)::date, 0, r.record
from raw_record r
join unmappable u using (source, hash)
left join batch b on b.batch_id = r.batch_id
where r.source = $source and r.batch_id > $after_batch and not exists (from quarantine q where q.source = $source and q.hash = r.hash);
