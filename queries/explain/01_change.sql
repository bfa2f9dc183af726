-- title: Change and verdict
-- description: What changed, who did it, and how it was judged.
-- param: change_id text required  A change_id or record_id
select
    c.change_id, c.occurred_at, c.system, c.source, c.account, c.region, c.action, c.operation, c.resource, j.channel,
    j.service, j.environment, j.actor, j.actor_kind, j.actor_basis, j.verdict, j.state, j.reason, r.sentence as because,
    j.case_id,
    (select count(*) from change other where other.case_id = j.case_id) as changes_in_case
from change j
join change_event c using (change_id)
left join reason r on r.reason = j.reason
where j.change_id = $change_id or j.record_id = $change_id
   or j.change_id in (
       select left(sha256(e.system || chr(31) || e.change_key), 32) from event e where e.record_id = $change_id and e.category = 'change'
   );
