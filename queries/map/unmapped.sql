-- A record of which the mapping made nothing, in no relation, is set aside: a mapping may sort, but not lose.
insert into quarantine
select $source, r.unit, r.position::varchar, 'map', 'the mapping makes nothing of it', r.raw_hash, coalesce(r.occurred_at, $now)::date, 0, r.record
from raw r
where not exists (from event e where e.source = $source and e.record_id = r.record_id)
  and not exists (from session s where s.source = $source and s.record_id = r.record_id)
  and not exists (from deployment_version d where d.source = $source and d.record_id = r.record_id)
  and not exists (from stage_version p where p.source = $source and p.record_id = r.record_id)
  and not exists (from approval_version a where a.source = $source and a.record_id = r.record_id)
  and not exists (from managed_version m where m.source = $source and m.record_id = r.record_id)
  and not exists (from membership_told t where t.source = $source and t.record_id = r.record_id)
  and not exists (from quarantine q where q.source = $source and q.hash = r.raw_hash);
