-- title: Finding
-- description: What failed, how bad it is, since when, and how it stands.
-- param: finding_id text required  A finding_id
select f.finding_id, f.control, f.severity, f.status, f.subject_kind, f.subject_id, f.service, f.environment, f.actor, f.summary,
       f.happened_at, f.first_seen, f.opened_at, f.last_seen, f.exemption_id
from finding f
where f.finding_id = $finding_id;
