-- Authorisation facts that a later version of a record tells otherwise, after the start: who asked, who approved, whether
-- the gate was bypassed. An approval that was given since the version before, and in time, is no such change; in time for
-- the start that was told before too, or a start told later would let in what came late.
create or replace temporary view authorisation_change_now as
with
version as (
    select
        deployment_id, recorded_at, started_at, requested_by, coalesce(bypassed, false) as bypassed, approvals,
        [concat_ws('|', lower(a.approver), lower(a.decision), a.decided_at::varchar, a.automated::varchar) for a in approvals] as said
    from deployment_version semi join deployment_again using (deployment_id)
    qualify row_number() over (partition by deployment_id, raw_hash order by recorded_at, unit, position) = 1
),
followed as (
    select
        *,
        lag(recorded_at) over w as before_at, lag(requested_by) over w as before_requested_by, lag(bypassed) over w as before_bypassed,
        lag(said) over w as before_said, lag(started_at) over w as before_started_at
    from version
    window w as (partition by deployment_id order by recorded_at nulls first)
)
select deployment_id, max(recorded_at) as recorded_at
from followed
where recorded_at > started_at
  and before_bypassed is not null
  and (
      bypassed <> before_bypassed
      or lower(requested_by) <> lower(before_requested_by)
      or not list_has_all(said, before_said)
      or len(list_filter(approvals, lambda a:
          not list_contains(before_said, concat_ws('|', lower(a.approver), lower(a.decision), a.decided_at::varchar, a.automated::varchar))
          and not coalesce(a.decided_at > before_at and in_time(a.decided_at, least(started_at, before_started_at)), false)
      )) > 0
  )
group by deployment_id;
