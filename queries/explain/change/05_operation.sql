-- title: Operation
-- description: The stack or deployment on whose behalf it was done, and who started that.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
)
select i.operation, i.operation_started_at, a.actor as started_by, a.actor_kind, i.other_initiators, i.operation_source, i.operation_record
from chosen
join initiated i using (change_id)
left join actor a on a.appearance_id = i.initiator_id;
