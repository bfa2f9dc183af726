-- title: Coverage
-- description: What was read, by source and day, in counts that foot: seen is the sum of the eight counts after it.
-- param: since timestamp optional  From this day (inclusive)
-- param: until timestamp optional  Up to this day (exclusive)
with
read as (
    select source, day, sum(duplicates) as duplicates, sum(reads) as reads, sum(quarantined) as quarantined
    from unit_count group by all
),
-- what the records that were kept turned out to be: each counts once, by its role in the reports
told as (
    select r.source, r.record_id, r.hash, r.unit, r.position, coalesce(r.occurred_at::date, u.day) as day,
           case
               when e.record_id is null and s.record_id is not null then 'session'
               when e.record_id is null and v.record_id is not null then 'copy'    -- another text of the same record counts
               when e.record_id is null then 'non-change'
               when p.change_id is not null then 'pending'
               when c.change_id is not null then case when e.outcome = 'failed' then 'attempt' else 'change' end
               when e.category = 'change' then 'copy'
               else e.category
           end as told
    from raw_record r
    left join (select source, unit, min(day) as day from unit_count group by all) u on u.source = r.source and u.unit = r.unit
    left join event e on e.source = r.source and e.record_id = r.record_id and e.raw_hash = r.hash
    left join (select distinct source, record_id from event) v on v.source = r.source and v.record_id = r.record_id
    left join change_event c on c.source = e.source and c.record_id = e.record_id and c.raw_hash = e.raw_hash
    left join pending_event p on p.source = e.source and p.record_id = e.record_id and p.raw_hash = e.raw_hash
    left join (select distinct source, record_id from session) s on s.source = r.source and s.record_id = r.record_id
    left join (select source, hash from quarantine where stage = 'map') q on q.source = r.source and q.hash = r.hash
    where q.hash is null
),
-- a record that tells of several changes counts once, as the weightiest of what it tells; one that stands at several places
-- of a log counts at each, but means something once
weighed as (
    select source, any_value(day) as day,
           case when row_number() over (partition by source, record_id, hash order by unit, position) > 1 then 'copy' else arg_min(told, list_position(['pending', 'change', 'attempt', 'session', 'release-control', 'business', 'evidence', 'non-change', 'read', 'copy'], told)) end as told
    from told group by source, record_id, hash, unit, position
),
meant as (
    select source, day,
           count(*) filter (where told = 'session') as sessions,
           count(*) filter (where told = 'attempt') as attempts,
           count(*) filter (where told = 'change') as changes,
           count(*) filter (where told = 'pending') as pending,
           count(*) filter (where told = 'copy') as copies,
           count(*) filter (where told = 'read') as reads,
           count(*) filter (where told in ('non-change', 'business', 'release-control', 'evidence')) as non_changes
    from weighed group by all
),
unmapped as (
    select source, day, count(distinct (unit, position)) as quarantined from quarantine where stage = 'map' group by all
),
-- what could not be read, on each day that it touches
gap as (
    select source, day, sum((epoch_us(least(window_end, day + interval 1 day)) - epoch_us(greatest(window_start, day::timestamp))) // 1000000)::bigint as seconds
    from (
        select source, window_start, window_end,
               unnest(generate_series(window_start::date, (window_end - interval 1 microsecond)::date, interval 1 day))::date as day
        from unit
        where incomplete is not null and window_start < window_end
    )
    group by all
),
days as (
    select source, day from read union select source, day from meant union select source, day from unmapped union select source, day from gap
)
select
    d.source, d.day,
    coalesce(r.duplicates, 0) + coalesce(m.copies, 0) + coalesce(r.quarantined, 0) + coalesce(q.quarantined, 0) + coalesce(r.reads, 0) + coalesce(m.reads, 0)
        + coalesce(m.non_changes, 0) + coalesce(m.sessions, 0) + coalesce(m.attempts, 0) + coalesce(m.changes, 0) + coalesce(m.pending, 0) as seen,
    coalesce(r.duplicates, 0) + coalesce(m.copies, 0) as duplicates,
    coalesce(r.quarantined, 0) + coalesce(q.quarantined, 0) as quarantined,
    coalesce(r.reads, 0) + coalesce(m.reads, 0) as reads,
    coalesce(m.non_changes, 0) as non_changes,
    coalesce(m.sessions, 0) as sessions,
    coalesce(m.attempts, 0) as attempts,
    coalesce(m.changes, 0) as changes,
    coalesce(m.pending, 0) as pending,
    coalesce(g.seconds, 0) as gap_seconds,
    p.polled_at as last_polled_at
from days d
left join read r using (source, day)
left join meant m using (source, day)
left join unmapped q using (source, day)
left join gap g using (source, day)
left join poll p on p.source = d.source
where ($since is null or d.day >= $since::date)
  and ($until is null or d.day < $until)
order by d.day, d.source;
