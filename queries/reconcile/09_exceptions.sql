-- Where a control does not apply: by the standard itself, or by a waiver that counts.

-- By the standard: which control is not asked of which service, of all subjects or (subject_kind) of some.
create or replace table not_asked as
select s.service, unnest(x.controls) as control, x.subject as subject_kind, x.id as reason
from config_exception x
join config_service s on (x.service_type is null or x.service_type = s.type) and (x.service is null or lower(x.service) = lower(s.service))
where case x.unless
          when 'preprod' then not exists (from deployment d where d.service = s.service and d.environment = 'preprod')
          when 'stages' then not exists (from pipeline_stage p where p.service = s.service)
          else true
      end;

update control_result set result = 'not-applicable', reason = n.reason
from not_asked n
where control_result.service = n.service and control_result.control = n.control
  and (n.subject_kind is null or control_result.subject_kind = n.subject_kind);

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
