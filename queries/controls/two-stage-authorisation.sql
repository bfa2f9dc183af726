-- title: Two-stage authorisation
-- description: Released by one senior person or manager, signed off before the start by another.
-- controls: OFQ-00005/two-stage-authorisation
-- each: deployment
with
requester as (
    -- the requester's role on the day of the release
    select d.deployment_id, min(r.role) as role
    from deployment d
    join config_role r
      on r.person_id = d.requester_id and (r.services is null or list_contains(r.services, d.service))
     and d.started_at >= r.valid_from and d.started_at < r.valid_to
    group by d.deployment_id
),
-- people who approved in time, in a role: what counts
signed as (
    select deployment_id, approver_id, bool_or(valid) as independent
    from approval
    where decision = 'approved' and not automated and in_time and counts and not stale and not taken_back and approver_role is not null
    group by all
),
counted as (
    select
        d.deployment_id, d.service, d.environment, d.bypassed, d.approvals, d.requester_id, d.requested_by,
        q.role is not null as requester_has_role,
        -- the sign-off is by another than who asked for it or wrote it; the releaser is the requester if in a role, else a second signer
        count(s.approver_id) filter (where s.independent) as others,
        count(s.approver_id) as signers
    from deployment d
    left join requester q using (deployment_id)
    left join signed s using (deployment_id)
    where d.environment = 'live' and d.ran
    group by all
),
seen as (
    select
        deployment_id,
        count(*) filter (where decision = 'approved') as approvals,
        bool_or(decision = 'approved' and not counts) as claimed,
        bool_or(decision = 'approved' and automated) as automated,
        bool_or(decision = 'skipped') as skipped,
        bool_or(decision = 'approved' and not automated and taken_back) as taken_back,
        bool_or(decision = 'approved' and not automated and in_time and stale) as stale,
        bool_or(decision = 'approved' and not automated and in_time and by_author and not by_requester) as by_author,
        bool_or(decision = 'approved' and not automated and decided_at is null and not gated) as untimed,
        bool_or(decision = 'approved' and not automated and not in_time) as late,
        bool_or(decision = 'approved' and not automated and in_time and approver_role is null and not by_requester) as without_role,
        bool_or(decision = 'approved' and not automated and in_time and by_requester) as own,
        bool_or(valid) as valid
    from approval
    -- beside what somebody vouches for, what is only claimed says nothing
    where counts or deployment_id not in (select deployment_id from approval where counts)
    group by deployment_id
),
judged as (
    select
        c.*, s.* exclude (deployment_id, approvals), coalesce(s.approvals, 0) as given,
        case when requester_has_role then others >= 1 else others >= 1 and signers >= 2 end as passes
    from counted c
    left join seen s using (deployment_id)
)
select
    'deployment' as subject_kind, deployment_id as subject_id, service, environment,
    case
        when bypassed then 'fail'
        when passes then 'pass'
        when approvals is null or claimed or untimed then 'no-evidence'
        else 'fail'
    end as result,
    case
        when bypassed then 'gate-bypassed'
        when passes then 'signed-off'
        when approvals is null then 'approvals-unknown'
        when claimed then 'approvals-claimed'
        when untimed then 'approval-untimed'
        when given = 0 and skipped then 'approval-skipped'
        when given = 0 then 'approval-missing'
        when valid and not requester_has_role then 'second-signature-missing'
        when taken_back then 'approval-taken-back'
        when stale then 'approval-stale'
        when own then 'self-approval'
        when by_author then 'approved-by-author'
        when late then 'approved-after-start'
        when without_role then 'approver-without-role'
        when automated then 'approval-automated'
        else 'approval-missing'
    end as reason
from judged;
