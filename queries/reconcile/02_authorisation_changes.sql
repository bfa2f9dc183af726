-- Authorisation facts that a later version of a record tells otherwise, after the start: who asked, who approved, whether
-- the gate was bypassed. An approval that was given since the version before, and in time, is no such change; in time for
-- the start that was told before too, or a start told later would let in what came late. Nor is a requester whom the
-- version before did not know.
--
-- The same in other words is no change: a person by another spelling of the roster, a time without its parts of a second,
-- a default that is written out.
--
-- When a version was told its record says. Where it does not, the log does: what it says now, and did not when it was last
-- read, was told after that, whatever the record says. What a pipeline says about itself changes nothing that somebody vouches
-- for.
--
-- A log's versions come in the order in which they count (02_deployments.sql): by their own time, else by place. Each is dated by
-- the first reading that had it: that the same line stands somewhere else later, moved or copied, is told anew only if it counts
-- since then and did not before. A version that stood behind another one when it came never counted.
--
-- A system that is asked tells of a release bit by bit, for as long as releases take to settle. What it says of one thing
-- otherwise after that, though it was read in between and said what it had said before, somebody has rewritten. What was given
-- too late for the start lets nobody in, and is none.

-- The unit of a list of objects is named after the time at which the list was read before.
create or replace temporary macro read_before(unit) as
    make_utc(regexp_extract(unit, '/(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[^/]*)$', 1));
create or replace temporary macro object_of(record_id) as split_part(record_id, '@', 1);

-- keeps: authorisation_change
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
        -- the same in the record's own words, to be read
        {
            'requested_by': v.requested_by, 'authors': array_to_string(v.authors, ', '),
            'approvals': array_to_string([
                concat_ws(' ', a.phase, a.decision, 'by ' || a.approver, 'at ' || strftime(a.decided_at, '%Y-%m-%dT%H:%M:%SZ'),
                          case when a.automated then 'automated' end, case when a.gated then 'gated' end)
                for a in v.approvals
            ], ', '),
            'record': v.source || ': ' || v.record_id
        } as words,
        v.source, v.record_id, v.raw_hash, v.unit, v.position, v.batch_id, s.connector, b.committed_at,
        coalesce(v.recorded_at, timestamp '0001-01-01') as order_at
    from deployment_version v
    semi join deployment_again using (deployment_id)
    left join source_as_configured s on s.source = v.source
    left join batch b using (batch_id)
    left join config_identity requester on requester.identity = lower(v.requested_by)
    where s.approvals = 'evidence'
),
-- What a system that is asked says of one thing, from reading to reading. It holds a place for what is not decided yet.
asked as (
    select
        * replace (list_filter(said, lambda a:
            a.phase <> 'post' and ((a.decision = 'approved' and coalesce(in_time(a.decided_at, started_at), a.gated)) or a.decision = 'rejected')
        ) as said)
    from version
    where connector <> 'release-log'
    qualify row_number() over (partition by deployment_id, raw_hash order by recorded_at, batch_id, unit, position) = 1
),
asked_again as (
    select
        *, lag(recorded_at) over w as before_at, lag(requester) over w as before_requester, lag(bypassed) over w as before_bypassed,
        lag(said) over w as before_said, lag(authors) over w as before_authors, lag(started_at) over w as before_started_at,
        lag(words) over w as before_words,
        -- until when it stood as it was
        case when lag(batch_id) over w < batch_id then coalesce(read_before(unit), lag(committed_at) over w) end as stood_until
    from asked
    -- what another system says in its own words is no other version, what the same says under another name is
    window w as (partition by deployment_id, connector, object_of(record_id) order by recorded_at nulls first, batch_id, unit, position)
),
-- What a log says: each line at each reading that had it anew, of several places the last.
logged as (
    select v.* replace (r.unit as unit, r.position as position, r.batch_id as batch_id, b.committed_at as committed_at)
    from version v
    join raw_record r on r.source = v.source and r.record_id = v.record_id and r.hash = v.raw_hash
    join batch b on b.batch_id = r.batch_id
    where v.connector = 'release-log'
      and v.deployment_id in (select deployment_id from version group by deployment_id having count(distinct raw_hash) > 1)
    qualify row_number() over (partition by v.deployment_id, v.raw_hash, r.batch_id order by r.unit desc, r.position desc) = 1
),
-- What counted after each reading: of each line its last place then.
counted as (
    from (
        from (
            select t.through, t.through_at, l.*
            from (select distinct deployment_id, batch_id as through, committed_at as through_at from logged) t
            join logged l on l.deployment_id = t.deployment_id and l.batch_id <= t.through
            qualify row_number() over (partition by t.deployment_id, t.through, l.source, l.raw_hash order by l.batch_id desc, l.unit desc, l.position desc) = 1
        )
        qualify row_number() over (partition by deployment_id, through, source order by order_at desc, unit desc, batch_id desc, position desc) = 1
    )
    qualify row_number() over (partition by deployment_id, through order by order_at desc, batch_id desc, unit desc, position desc) = 1
),
-- Each line when it came, what counted then, and what had counted.
came as (
    select l.*, n.raw_hash = l.raw_hash as counts, e.through_at as read_before_at,
           coalesce(e.order_at = l.order_at and e.source = l.source and (e.unit, e.position) > (l.unit, l.position), false) as behind
    from (from logged qualify row_number() over (partition by deployment_id, raw_hash order by batch_id, unit desc, position desc) = 1) l
    join counted n on n.deployment_id = l.deployment_id and n.through = l.batch_id
    asof left join counted e on e.deployment_id = l.deployment_id and l.batch_id > e.through
),
-- Held against the one before it in that order; of one that came since and stands between the two nothing was known.
logged_again as (
    select
        l.*, coalesce(p.recorded_at, case when p.batch_id < l.batch_id then p.committed_at end) as before_at,
        p.requester as before_requester, p.bypassed as before_bypassed, p.said as before_said, p.authors as before_authors,
        p.started_at as before_started_at, p.words as before_words
    from came l
    join came p
      on p.deployment_id = l.deployment_id and p.raw_hash <> l.raw_hash
     and (
         p.order_at < l.order_at
         or (
             p.order_at = l.order_at and p.batch_id <= l.batch_id
             and case
                     when p.source = l.source then (p.unit, p.batch_id, p.position) < (l.unit, l.batch_id, l.position)
                     else (p.batch_id, p.unit, p.position) < (l.batch_id, l.unit, l.position)
                 end
         )
     )
    where l.counts or not l.behind
    qualify row_number() over (
        partition by l.deployment_id, l.raw_hash
        order by p.order_at desc, (p.source = l.source) desc, case when p.source = l.source then p.unit end desc, p.batch_id desc, p.unit desc, p.position desc
    ) = 1
),
-- What counts since a reading by its place alone.
counts_since as (
    select
        *, coalesce(lag(recorded_at) over w, lag(through_at) over w) as before_at, lag(requester) over w as before_requester,
        lag(bypassed) over w as before_bypassed, lag(said) over w as before_said, lag(authors) over w as before_authors,
        lag(started_at) over w as before_started_at, lag(words) over w as before_words, lag(through_at) over w as read_before_at
    from counted
    window w as (partition by deployment_id order by through)
    qualify lag(raw_hash) over w <> raw_hash and lag(order_at) over w = order_at
),
followed as (
    select a.*, coalesce(recorded_at, committed_at) as told_at,
           recorded_at > started_at or (recorded_at is null and stood_until > started_at + c.settle) as is_late
    from asked_again a
    cross join config_standard c
    union all by name
    -- A log that is read again has a line no later than releases take to settle: one that says that it is older is dated by
    -- that, or whoever rewrites a release could choose the time of an exemption or a baseline for it.
    select l.*, case when recorded_at is null then committed_at
                     when read_before_at is null then recorded_at
                     else greatest(recorded_at, read_before_at, committed_at - c.settle)
                end as told_at,
           greatest(recorded_at, read_before_at) > started_at as is_late
    from logged_again l
    cross join config_standard c
    union all by name
    select *, through_at as told_at, read_before_at > started_at as is_late
    from counts_since
),
-- Fact by fact, before and after.
compared as (
    select
        deployment_id, told_at, words.record as record, before_words.record as before_record,
        unnest([
            {'fact': 'requested_by', 'before': before_words.requested_by, 'after': words.requested_by,
             'differs': before_requester is not null and requester is distinct from before_requester},
            {'fact': 'approvals', 'before': before_words.approvals, 'after': words.approvals,
             'differs': not list_has_all(said, before_said)
                 or len(list_filter(said, lambda a:
                     not list_contains(before_said, a)
                     and not coalesce(a.decided_at >= date_trunc('second', before_at) and in_time(a.decided_at, least(started_at, before_started_at)), false)
                 )) > 0},
            {'fact': 'bypassed', 'before': before_bypassed::varchar, 'after': bypassed::varchar, 'differs': bypassed <> before_bypassed},
            {'fact': 'authors', 'before': before_words.authors, 'after': words.authors, 'differs': not list_has_all(authors, before_authors)}
        ], recursive := true)
    from followed
    where is_late and before_bypassed is not null
),
-- a decision apart from the record that was not there yet when the log was read and the release was settled; that its line
-- stands somewhere else since then is nothing new
told_long_after as (
    select t.deployment_id, b.committed_at as told_at, t.decision, t.approver, t.decided_at, t.source, t.record_id
    from told_apart t
    join deployment d using (deployment_id)
    join source_as_configured s on s.source = t.source and s.approvals = 'evidence' and s.connector = 'release-log'
    join batch b on b.batch_id = (
        select min(r.batch_id) from raw_record r where r.source = t.source and r.record_id = t.record_id and r.hash = t.raw_hash
    )
    cross join config_standard c
    where lower(t.decision) = 'approved' and t.phase is distinct from 'review' and in_time(t.decided_at, d.started_at)
      and exists (
          from batch earlier
          where earlier.source = t.source and earlier.committed_at < b.committed_at and earlier.committed_at > d.started_at + c.settle
      )
),
-- the same of an object that a system tells apart from its releases: a decision that it did not tell of before
told_again as (
    select t.deployment_id, t.source, t.record_id, t.raw_hash, t.batch_id, t.decision, t.approver, t.decided_at, d.started_at, b.committed_at
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
    select t.deployment_id, t.committed_at as told_at, t.decision, t.approver, t.decided_at, t.source, t.record_id
    from told_again t
    join raw_record r on r.source = t.source and r.record_id = t.record_id and r.hash = t.raw_hash
    cross join config_standard c
    where read_before(r.unit) > t.started_at + c.settle
      and exists (
          from approval_version earlier
          where earlier.source = t.source and object_of(earlier.record_id) = object_of(t.record_id) and earlier.batch_id < t.batch_id
      )
)
-- `told` is what `explain` shows: each fact before and after, and the records that say so.
select
    deployment_id, max(told_at) as recorded_at,
    list({'told_at': told_at, 'fact': fact, 'before': before, 'after': after, 'before_record': before_record, 'record': record}
         order by told_at, fact, record, before_record) as told
from (
    select deployment_id, told_at, fact, before, after, before_record, record from compared where differs
    union
    select deployment_id, told_at, 'approvals', 'not told', concat_ws(' ', decision, 'by ' || approver, 'at ' || strftime(decided_at, '%Y-%m-%dT%H:%M:%SZ')),
           null, source || ': ' || record_id
    from (from told_long_after union all from rewritten)
)
group by deployment_id;
