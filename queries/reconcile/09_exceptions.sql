-- Where a control does not apply: by the standard itself, or by a waiver that counts.

-- Static apps are released by build pipelines: what the standard asks of the stages of a release pipeline is not theirs.
update control_result set result = 'not-applicable', reason = 'static-app'
where subject_kind = 'pipeline' and control in ('dev-auto', 'preprod-manual', 'prod-approval')
  and service in (select service from config_service where type = 'static-app');

-- Waivers: approved by someone in a role, other than who asked.
create or replace table waiver as
select
    w.*,
    case
        when approver.person_id is null or not exists (
            from config_role r
            where r.person_id = approver.person_id and (r.services is null or list_contains(r.services, w.service))
              and coalesce(w.valid_from, run.now) >= r.valid_from and coalesce(w.valid_from, run.now) < r.valid_to
        ) then 'the approver is neither senior nor manager'
        when w.requested_by is not null and coalesce(requester.actor, lower(w.requested_by)) = coalesce(approver.actor, lower(w.approved_by)) then 'who asked for it approved it'
    end as invalid,
    coalesce(run.now >= w.valid_from, true) and coalesce(run.now < w.valid_to, true) as in_force
from config_waiver w
cross join run
left join config_identity approver on approver.identity = lower(w.approved_by)
left join config_identity requester on requester.identity = lower(w.requested_by);

update control_result set result = 'not-applicable', reason = 'waived'
from waiver w
where w.invalid is null and w.in_force and control_result.service = w.service and control_result.control = w.control;
