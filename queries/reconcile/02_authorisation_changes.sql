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
--
-- A system that is asked tells of a release bit by bit, for as long as releases take to settle. What it says of one thing
-- otherwise after that, though it was read in between and said what it had said before, somebody has rewritten. What was given
-- too late for the start lets nobody in, and is none.

-- The unit of a list of objects is named after the time at which the list was read before.
create or replace temporary macro read_before(unit) as
    make_utc(regexp_extract(unit, '/(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[^/]*)$', 1));
create or replace temporary macro object_of(record_id) as split_part(record_id, '@', 1);

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
        case when s.connector = 'release-log' then b.committed_at end as read_at,
        case when s.connector <> 'release-log' then b.committed_at end as seen_at,
        -- a log's records tell of one release each, a system's of one thing each
        case when s.connector <> 'release-log' then object_of(v.record_id) end as object
    from deployment_version v
    semi join deployment_again using (deployment_id)
    left join source_as_configured s on s.source = v.source
    left join batch b using (batch_id)
    left join config_identity requester on requester.identity = lower(v.requested_by)
    where s.approvals = 'evidence'
    qualify row_number() over (partition by v.deployment_id, v.raw_hash order by v.recorded_at, v.batch_id, v.unit, v.position) = 1
),
counted as (
    -- a system that is asked holds a place for what is not decided yet
    select * replace (case when connector = 'release-log' then said else list_filter(said, lambda a:
        a.phase <> 'post' and ((a.decision = 'approved' and coalesce(in_time(a.decided_at, started_at), a.gated)) or a.decision = 'rejected')
    ) end as said)
    from version
),
followed as (
    select
        *,
        lag(recorded_at) over w as before_at, lag(requester) over w as before_requester, lag(bypassed) over w as before_bypassed,
        lag(said) over w as before_said, lag(authors) over w as before_authors, lag(started_at) over w as before_started_at,
        -- an earlier reading did not have it yet
        case when lag(batch_id) over w < batch_id then lag(read_at) over w end as before_read_at,
        -- until when it stood as it was
        case when lag(batch_id) over w < batch_id then coalesce(read_before(unit), lag(seen_at) over w) end as stood_until
    from counted
    -- what another system says in its own words is no other version, what the same says under another name is
    window w as (partition by deployment_id, connector, object order by recorded_at nulls first, batch_id, unit, position)
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
-- the same of an object that a system tells apart from its releases: a decision that it did not tell of before
told_again as (
    select t.deployment_id, t.source, t.record_id, t.raw_hash, t.batch_id, d.started_at, b.committed_at
    from told_apart t
    join deployment d using (deployment_id)
    join source_as_configured s on s.source = t.source and s.approvals = 'evidence' and s.connector <> 'release-log'
    join batch b on b.batch_id = t.batch_id
    cross join config_standard c
    where lower(t.decision) = 'approved' and t.phase is distinct from 'review' and t.phase is distinct from 'post'
      and b.committed_at > d.started_at + c.settle
      and coalesce(in_time(t.decided_at, d.started_at), t.gated)
    qualify row_number() over (
        partition by t.deployment_id, t.source, object_of(t.record_id), lower(t.approver), t.phase, date_trunc('second', t.decided_at) order by t.batch_id
    ) = 1
),
rewritten as (
    select t.deployment_id, t.committed_at
    from told_again t
    join raw_record r on r.source = t.source and r.record_id = t.record_id and r.hash = t.raw_hash
    cross join config_standard c
    where read_before(r.unit) > t.started_at + c.settle
      and exists (
          from approval_version earlier
          where earlier.source = t.source and object_of(earlier.record_id) = object_of(t.record_id) and earlier.batch_id < t.batch_id
      )
),
later as (
    select * replace (coalesce(before_at, before_read_at) as before_at), coalesce(recorded_at, before_read_at) as told_after
    from followed
)
select deployment_id, max(recorded_at) as recorded_at
from (
    select deployment_id, coalesce(recorded_at, read_at, seen_at) as recorded_at
    from later
    cross join config_standard c
    where (told_after > started_at or (recorded_at is null and stood_until > started_at + c.settle))
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
    union all
    select deployment_id, committed_at from rewritten
)
group by deployment_id;
