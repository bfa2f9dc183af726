-- title: Managerial approval of live
-- description: The live stage needs a human approval that its requester cannot give, and each live deployment has one by a manager or senior person.
-- controls: OFQ-00005/prod-approval
-- each: deployment
with
told as (
    -- a review of the code is no decision on the stage; beside what somebody vouches for, what is only claimed says nothing
    select * from approval
    where phase is distinct from 'review' and (counts or deployment_id not in (select deployment_id from approval where counts and phase is distinct from 'review'))
),
given as (
    select
        d.deployment_id, d.service, d.environment, d.bypassed, d.approvals,
        coalesce(bool_or(a.valid), false) as approved,
        coalesce(bool_or(a.decision = 'approved' and not a.counts), false) as claimed,
        coalesce(bool_or(a.decision = 'approved' and not a.automated and a.decided_at is null and not a.gated), false) as untimed,
        coalesce(bool_or(a.decision = 'approved' and not a.automated and a.taken_back), false) as taken_back,
        coalesce(bool_or(a.decision = 'approved' and not a.automated and a.in_time and a.stale), false) as stale,
        coalesce(bool_or(a.decision = 'approved' and not a.automated and a.in_time and a.by_requester), false) as own,
        coalesce(bool_or(a.decision = 'approved' and not a.automated and a.in_time and a.by_author), false) as by_author,
        coalesce(bool_or(a.decision = 'approved' and not a.automated and not a.in_time), false) as late,
        coalesce(bool_or(a.decision = 'approved' and not a.automated and a.in_time and a.approver_role is null), false) as without_role,
        coalesce(bool_or(a.decision = 'approved' and a.automated), false) as automated,
        coalesce(bool_or(a.decision = 'skipped'), false) as skipped
    from deployment d
    left join told a using (deployment_id)
    where d.environment = 'live' and d.ran
    group by all
),
stage as (
    select s.*, unnest(case when len(s.approvers) > 0 then s.approvers else [null] end) as approver
    from pipeline_stage s
    where s.current and s.environment = 'live'
),
eligible as (
    -- every one who may approve has the role today; a name that the roster does not know is no evidence
    select
        s.pipeline, s.service, s.stage, s.approvals_required, s.requester_can_approve, s.can_bypass, s.changed_at,
        count(s.approver) as named,
        count(s.approver) filter (where i.person_id is null) as unknown,
        count(s.approver) filter (where i.person_id is not null and not exists (
            from config_role r where r.person_id = i.person_id and (r.services is null or list_contains(r.services, s.service))
              and (select now from run) >= r.valid_from and (select now from run) < r.valid_to
        )) as without_role
    from stage s
    left join config_identity i on i.identity = lower(s.approver)
    group by all
)
select
    'deployment' as subject_kind, deployment_id as subject_id, service, environment,
    case
        when bypassed then 'fail'
        when approved then 'pass'
        when approvals is null or claimed or untimed then 'no-evidence'
        else 'fail'
    end as result,
    case
        when bypassed then 'gate-bypassed'
        when approved then 'signed-off'
        when approvals is null then 'approvals-unknown'
        when claimed then 'approvals-claimed'
        when untimed then 'approval-untimed'
        when taken_back then 'approval-taken-back'
        when stale then 'approval-stale'
        when own then 'self-approval'
        when by_author then 'approved-by-author'
        when late then 'approved-after-start'
        when without_role then 'approver-without-role'
        when automated then 'approval-automated'
        when skipped then 'approval-skipped'
        else 'approval-missing'
    end as reason,
    null::timestamp as occurred_at
from given
union all
select
    'pipeline', pipeline, service, 'live',
    case
        when coalesce(approvals_required, 0) = 0 and approvals_required is not null then 'fail'
        when requester_can_approve or can_bypass or without_role > 0 then 'fail'
        when approvals_required is null or requester_can_approve is null or named = 0 or unknown > 0 then 'no-evidence'
        else 'pass'
    end,
    case
        when coalesce(approvals_required, 0) = 0 and approvals_required is not null then 'stage-needs-no-approval'
        when requester_can_approve then 'requester-can-approve'
        when can_bypass then 'gate-can-be-bypassed'
        when without_role > 0 then 'eligible-approver-without-role'
        when approvals_required is null or requester_can_approve is null or named = 0 or unknown > 0 then 'eligible-approver-unknown'
        else 'stage-needs-approval'
    end,
    changed_at
from eligible
union all
-- no live stage is defined: nothing shows that somebody is asked, and nothing that nobody is
select 'pipeline', pipeline, service, 'live', 'no-evidence', 'no-live-stage', max(changed_at)
from pipeline_stage
where current
group by pipeline, service
having count(*) filter (where environment = 'live') = 0
union all
select 'pipeline', pipeline, service, 'live', 'no-evidence', 'no-definition', null
from undefined_pipeline;
