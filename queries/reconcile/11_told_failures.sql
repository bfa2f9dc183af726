-- What is found of a release besides the results of the controls: these, and the verdicts, go by what the latest record says.
-- Findings and `explain` have it from here.
create or replace table told_failure as
with told as (
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
    where closed_by_limit and environment <> '' and ran
)
-- a control that is waived, or not asked of the service, says nothing of what was done meanwhile
select t.*
from told t
anti join excused x
  on x.service = t.service and x.control = t.control and x.subject_kind = t.subject_kind
 and t.occurred_at >= x.valid_from and t.occurred_at < x.valid_to;
