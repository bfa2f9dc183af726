-- title: Every record means something
-- description: A record that no mapping made anything of and that is not set aside.
select r.source, r.record_id
from raw_record r
where not exists (from event e where e.source = r.source and e.record_id = r.record_id)
  and not exists (from session s where s.source = r.source and s.record_id = r.record_id)
  and not exists (from deployment_version d where d.source = r.source and d.record_id = r.record_id)
  and not exists (from stage_version p where p.source = r.source and p.record_id = r.record_id)
  and not exists (from approval_version a where a.source = r.source and a.record_id = r.record_id)
  and not exists (from managed_version m where m.source = r.source and m.record_id = r.record_id)
  and not exists (from membership_told t where t.source = r.source and t.record_id = r.record_id)
  and not exists (from quarantine q where q.source = r.source and q.hash = r.hash)
order by r.source, r.record_id;
