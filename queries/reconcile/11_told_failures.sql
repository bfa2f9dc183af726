-- What failed without the verdicts going by it: they go by what the latest record says of a release, and a control's result does
-- too. Each is a control that failed all the same, so findings, `explain` and the reports on controls have it from here.
create or replace table told_failure as
-- that the record says otherwise than before is told each time
select 'two-stage-authorisation' as control, 'deployment' as subject_kind, d.deployment_id as subject_id, d.service, d.environment,
       'fail' as result, 'changed-after-the-start' as reason, recorded_at as occurred_at, recorded_at as retold_at
from authorisation_change
join deployment d using (deployment_id)
where d.environment = 'live' and d.ran
union all
-- equal steps are equal steps; that they are defined otherwise than when they were proven is told all the same
select r.control, r.subject_kind, r.subject_id, r.service, r.environment, 'fail', 'definition-changed', n.changed_at, null
from redefinition n
join control_result r on r.control = 'repeatable' and r.subject_kind = 'deployment' and r.subject_id = n.deployment_id
where r.result <> 'not-applicable' and r.reason <> 'definition-changed'
union all
-- a release is recorded when its end is
select 'recorded', 'deployment', deployment_id, service, environment, 'fail', 'end-not-recorded', window_end, null
from deployment
where closed_by_limit and environment <> '' and ran;

-- How each control came out on each subject: as it judged it, and what it failed besides comes before that.
create or replace view control_outcome as
select * from control_result r
where subject_kind <> 'deployment'
   or not exists (from told_failure t where t.control = r.control and t.subject_kind = r.subject_kind and t.subject_id = r.subject_id)
union all
select * exclude (retold_at) from told_failure;
