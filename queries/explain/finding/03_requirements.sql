-- title: Requirements
-- description: The sentences of the standard that the control checks.
-- param: finding_id text required  A finding_id
select r.section, r.text, r.not_checked
from finding f
join requirement r on list_contains(r.controls, f.control)
where f.finding_id = $finding_id and (r.service is null or lower(r.service) = lower(f.service))
order by r.place;
