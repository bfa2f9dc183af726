-- Authorisation facts that a later version of a record tells otherwise, after the start: who asked, who approved, whether
-- the gate was bypassed. An approval that was given since the version before, and in time, is no such change; in time for
-- the start that was told before too, or a start told later would let in what came late. Nor is a requester whom the
-- version before did not know.
--
-- The same in other words is no change: a person by another spelling of the roster, a time without its parts of a second,
-- a default that is written out.
--
-- When a version was told its record says. Where it does not, the log does: what it says now, and did not when it was last
-- read, was told after that. What a pipeline says about itself changes nothing that somebody vouches for.
create or replace temporary view authorisation_change_now as
with
version as (
    select
        v.deployment_id, v.recorded_at, v.started_at, coalesce(v.bypassed, false) as bypassed,
        coalesce('person ' || requester.person_id, lower(v.requested_by)) as requester,
        -- all that a decision says of whether a release was signed off
        case when v.approvals is not null then coalesce((
            select list({
                'approver': coalesce('person ' || i.person_id, lower(a.approver)), 'decision': lower(a.decision),
                'decided_at': date_trunc('second', a.decided_at), 'automated': coalesce(a.automated, false),
                'gated': coalesce(a.gated, false), 'phase': coalesce(a.phase, 'pre')
            })
            from (select unnest(v.approvals) as a)
            left join config_identity i on i.identity = lower(a.approver)
        ), []) end as said,
        coalesce((
            select list(coalesce('person ' || i.person_id, lower(author)))
            from (select unnest(v.authors) as author)
            left join config_identity i on i.identity = lower(author)
        ), []) as authors,
        v.unit, v.position, v.batch_id, s.connector,
        -- other systems tell of a release bit by bit
        case when s.connector = 'release-log' then b.committed_at end as read_at
    from deployment_version v
    semi join deployment_again using (deployment_id)
    left join source_as_configured s on s.source = v.source
    left join batch b using (batch_id)
    left join config_identity requester on requester.identity = lower(v.requested_by)
    where s.approvals = 'evidence'
    qualify row_number() over (partition by v.deployment_id, v.raw_hash order by v.recorded_at, v.batch_id, v.unit, v.position) = 1
),
followed as (
    select
        *,
        lag(recorded_at) over w as before_at, lag(requester) over w as before_requester, lag(bypassed) over w as before_bypassed,
        lag(said) over w as before_said, lag(authors) over w as before_authors, lag(started_at) over w as before_started_at,
        -- an earlier reading did not have it yet
        case when lag(batch_id) over w < batch_id then lag(read_at) over w end as before_read_at
    from version
    -- what another system says in its own words is no other version, what the same says under another name is
    window w as (partition by deployment_id, connector order by recorded_at nulls first, batch_id, unit, position)
),
-- a decision apart from the record that was not there yet when the log was read and the release was settled
told_long_after as (
    select t.deployment_id, b.committed_at as told_at
    from told_apart t
    join deployment d using (deployment_id)
    join source_as_configured s on s.source = t.source and s.approvals = 'evidence' and s.connector = 'release-log'
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
          or (before_requester is not null and requester is distinct from before_requester)
          or not list_has_all(authors, before_authors)
          or not list_has_all(said, before_said)
          or len(list_filter(said, lambda a:
              not list_contains(before_said, a)
              and not coalesce(a.decided_at >= date_trunc('second', before_at) and in_time(a.decided_at, least(started_at, before_started_at)), false)
          )) > 0
      )
    union all
    select deployment_id, told_at from told_long_after
)
group by deployment_id;
