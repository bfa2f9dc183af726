-- Where a control does not apply, by the standard itself or by a waiver that counts; and what the controls say.

-- By the standard: which control is not asked of which service, of all subjects or (subject_kind) of some.
create or replace table not_asked as
select s.service, unnest(x.controls) as control, x.subject as subject_kind, x.id as reason
from config_exception x
join config_service s on (x.service_type is null or x.service_type = s.type) and (x.service is null or lower(x.service) = lower(s.service))
where case x.unless
          -- what is published in a test site is no stage of what the live one publishes
          when 'preprod' then not exists (from deployment d where d.service = s.service and d.environment = 'preprod' and not d.own_content)
              and not exists (from pipeline_stage p where p.service = s.service and p.environment = 'preprod' and p.current)
          when 'stages' then not exists (from pipeline_stage p where p.service = s.service)
          else true
      end;

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
    coalesce(run.now >= w.valid_from, true) and coalesce(run.now < w.valid_to, true) as in_force      -- of what is judged as it is now
from config_waiver w
cross join run
left join config_identity approver on approver.identity = lower(w.approved_by)
left join config_identity requester on requester.identity = lower(w.requested_by);

-- Both, for each service, control and kind of subject, with the time in which it holds; of several the first in `place`
-- counts: a waiver is what somebody decided.
create or replace table excused as
with excuse as (
    select service, control, null as subject_kind, 'waived' as reason, 1 as place,
           coalesce(valid_from, timestamp '0001-01-01') as valid_from, coalesce(valid_to, timestamp '9999-01-01') as valid_to
    from waiver where invalid is null
    union all
    select service, control, subject_kind, reason, 2, timestamp '0001-01-01', timestamp '9999-01-01' from not_asked
),
kind as (select unnest(['deployment', 'pipeline', 'change', 'service']) as kind)
select service, control, kind as subject_kind, reason, place, valid_from, valid_to
from excuse
join kind on coalesce(subject_kind, kind) = kind;

-- When what the controls judge was done, which a waiver is held against: releases, as long as changes have no verdict.
create or replace temporary view act as
select 'deployment' as subject_kind, deployment_id as subject_id, started_at as acted_at from deployment;

-- Results of the controls: one row for each control and subject. Filled by the files in queries/controls/.
create table if not exists control_result (
    control      varchar not null,
    subject_kind varchar not null check (subject_kind in ('deployment', 'pipeline', 'change', 'service')),
    subject_id   varchar not null,
    service      varchar not null,
    environment  varchar not null,
    result       varchar not null check (result in ('pass', 'fail', 'not-applicable', 'no-evidence')),
    reason       varchar not null,
    occurred_at  timestamp               -- when it came about, where the control says so: what a baseline goes by
);
