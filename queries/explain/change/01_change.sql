-- title: Change and verdict
-- description: What changed, who did it, and how it was judged.
-- param: change_id text required  A change_id or record_id
select
    c.change_id, c.occurred_at, c.system, c.source, c.account, c.region, c.action, c.operation, c.resource,
    coalesce(array_to_string(c.further_resources, ', '), '') as further_resources, j.channel,
    j.service, j.environment, j.actor, j.actor_kind, j.actor_basis, j.verdict, j.state, j.reason, r.sentence as because,
    j.case_id,
    (select count(*) from change other where other.case_id = j.case_id) as changes_in_case,
    -- the rule that made the record a change, and the version of the rules (mapping and data tables) that was applied
    (select e.classed_by from event e where e.source = c.source and e.record_id = c.record_id and e.raw_hash = c.raw_hash limit 1) as classed_by,
    (select left(m.mapping_hash, 12) from mapped m where m.source = c.source) as mapping_version
from change j
join change_event c using (change_id)
left join reason r on r.reason = j.reason
where j.change_id = $change_id or j.record_id = $change_id
   or j.change_id in (
       select change_id from record_change where record_id = $change_id
   );
