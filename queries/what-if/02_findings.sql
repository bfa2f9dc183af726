-- title: Findings
-- description: Findings that would come, go, or stand otherwise.
select finding_id, coalesce(w.control, i.control) as control, coalesce(w.service, i.service) as service, coalesce(w.environment, i.environment) as environment,
       coalesce(i.status, '') as is_now, coalesce(w.status, '') as would_be,
       coalesce(i.severity, '') as severity_now, coalesce(w.severity, '') as would_be_severity, coalesce(w.summary, i.summary) as summary
from finding_as_is i
full join finding w using (finding_id)
where i.status is distinct from w.status or (i.severity is distinct from w.severity and w.status <> 'resolved')
order by would_be_severity = 'high' desc, finding_id;
