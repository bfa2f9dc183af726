-- title: Changes
-- description: The changes behind the finding; `explain CHANGE_ID` tells each.
-- param: finding_id text required  A finding_id
select c.change_id, c.occurred_at, c.actor, c.channel, c.action, c.resource, c.verdict, c.state, c.reason, c.record_id
from finding f
join change c
  on (f.subject_kind = 'case' and c.case_id = f.subject_id and c.service = f.service and c.environment = f.environment)
  or (f.subject_kind = 'deployment' and c.deployment_id = f.subject_id)
where f.finding_id = $finding_id
order by c.occurred_at, c.change_id;
