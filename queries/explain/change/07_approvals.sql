-- title: Approvals
-- description: Every decision on the deployment, and whether it counts.
-- param: change_id text required  A change_id or record_id
with chosen as (
    select change_id from change where change_id = $change_id or record_id = $change_id
    union
    select change_id from record_change where record_id = $change_id
)
select
    a.decision, coalesce(a.phase, '') as phase, a.approver_actor as approver, a.approver_role as role, a.decided_at, d.started_at as deployment_started_at, d.requested_by,
    case
        when a.decision <> 'approved' then 'no approval'
        when a.automated then 'does not count: a machine gave it'
        when not a.counts then 'does not count: the pipeline''s own claim'
        when not a.in_time and a.decided_at is null then 'does not count: no time, and the platform did not hold the stage'
        when not a.in_time then 'does not count: after the start'
        when a.taken_back then 'does not count: taken back before the start'
        when a.stale then 'does not count: given for another commit'
        when a.approver_role is null then 'does not count: neither senior nor manager'
        when a.by_requester then 'the requester''s own'
        when a.by_author then 'does not count: by an author of what is deployed'
        when a.phase = 'review' then 'counts as a signature, not as the approval of the stage: a review of the code'
        else 'counts'
    end as standing,
    a.source,
    a.comment
from chosen
join change c using (change_id)
join approval a using (deployment_id)
join deployment d using (deployment_id)
order by a.position;
