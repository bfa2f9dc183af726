-- Authorisation facts that a later version of a record tells otherwise, after the start: who asked, who approved, whether
-- the gate was bypassed. An approval that was given since the version before, and in time, is no such change; in time for
-- the start that was told before too, or a start told later would let in what came late.
--
-- When a version was told its record says. Where it does not, the log does: what it says now, and did not when it was last
-- read, was told after that. What a pipeline says about itself changes nothing that somebody vouches for.
create or replace temporary view authorisation_change_now as
with
version as (
    select
        v.deployment_id, v.recorded_at, v.started_at, v.requested_by, coalesce(v.bypassed, false) as bypassed, v.approvals,
        [approval_said(a) for a in v.approvals] as said, coalesce(v.authors, []) as authors,
        v.unit, v.position, v.batch_id,
        -- other systems tell of a release bit by bit
        case when s.connector = 'release-log' then b.committed_at end as read_at
    from deployment_version v
    semi join deployment_again using (deployment_id)
    left join config_source s on s.name = v.source
    left join batch b using (batch_id)
    where s.approvals = 'evidence'
    qualify row_number() over (partition by v.deployment_id, v.raw_hash order by v.recorded_at, v.batch_id, v.unit, v.position) = 1
),
followed as (
    select
        *,
        lag(recorded_at) over w as before_at, lag(requested_by) over w as before_requested_by, lag(bypassed) over w as before_bypassed,
        lag(said) over w as before_said, lag(authors) over w as before_authors, lag(started_at) over w as before_started_at,
        -- an earlier reading did not have it yet
        case when lag(batch_id) over w < batch_id then lag(read_at) over w end as before_read_at
    from version
    window w as (partition by deployment_id order by recorded_at nulls first, batch_id, unit, position)
),
-- a decision apart from the record that was not there yet when the log was read and the release was settled
told_long_after as (
    select t.deployment_id, b.committed_at as told_at
    from told_apart t
    join deployment d using (deployment_id)
    join config_source s on s.name = t.source and s.approvals = 'evidence' and s.connector = 'release-log'
    join batch b on b.batch_id = t.batch_id
    cross join config_standard c
    where lower(t.decision) = 'approved' and t.phase is distinct from 'review' and in_time(t.decided_at, d.started_at)
      and exists (
          from batch earlier
          where earlier.source = t.source and earlier.committed_at < b.committed_at and earlier.committed_at > d.started_at + c.settle
      )
),
later as (
    select * replace (coalesce(before_at, before_read_at) as before_at), coalesce(recorded_at, before_read_at) as told_after
    from followed
)
select deployment_id, max(recorded_at) as recorded_at
from (
    select deployment_id, coalesce(recorded_at, read_at) as recorded_at
    from later
    where told_after > started_at
      and before_bypassed is not null
      and (
          bypassed <> before_bypassed
          or lower(requested_by) is distinct from lower(before_requested_by)
          or not list_has_all(authors, before_authors)
          or not list_has_all(said, before_said)
          or len(list_filter(approvals, lambda a:
              not list_contains(before_said, approval_said(a))
              and not coalesce(a.decided_at > before_at and in_time(a.decided_at, least(started_at, before_started_at)), false)
          )) > 0
      )
    union all
    select deployment_id, told_at from told_long_after
)
group by deployment_id;
