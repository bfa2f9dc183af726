-- What is settled: everything that could still explain or unmask a change of a system has been read past its time.

-- Up to when each source has been read: files that lie there are read to their end, a pushed log goes by the clock.
create or replace temporary table read_through as
select
    s.name as source, s.connector,
    case
        -- what the system did not give when it was last asked may be there tomorrow; what is damaged will not be, and what has
        -- gone since is asked for no more
        when s.path and exists (from unit u where u.source = s.name and u.incomplete is not null and u.etag = '' and u.read_at >= p.polled_at)
        then timestamp '0001-01-01'
        when s.path and p.complete_at is not null and p.error is null then timestamp '9999-01-01'
        else coalesce(p.read_through, timestamp '0001-01-01')
    end as through
from config_source s
left join poll p on p.source = s.name
union all
-- where no source tells of releases somebody may push them, though nobody has yet
select 'record', 'release-log', run.now
from run
where exists (from batch where source = 'record')
   or not exists (from config_source join connector_relation using (connector) where relation = 'deployment');

-- Which systems a source tells of: those that it, or another of the same connector, has told of.
create or replace temporary table told_by as
with told as (
    select distinct system, source from event
    union
    select distinct system, source from session
)
select distinct t.system, r.source
from told t
join config_source s on s.name = t.source
join read_through r on r.connector = s.connector
union
select system, source from told;

-- Whose sessions a source tells of: what its connector says, though nothing may have come yet, for what was never read may
-- still unmask somebody; and what it has told of.
create or replace temporary table sessions_told_by as
select system, source from session_source
union
select t.system, t.source
from told_by t
join config_source s on s.name = t.source
join connector_relation c on c.connector = s.connector and c.relation = 'session';

-- Whose sign-ins may unmask a change of a system: its own, and those of AWS where its identities act there.
create or replace temporary table unmasked_by as
select distinct system, system as by_system from told_by
union
select distinct system, 'aws' from change_appearance where actor_type in ('role', 'user', 'root') and actor_name like 'arn:%';

-- Up to when everything has been read that tells of releases and of decisions on them.
create or replace temporary table release_log_through as
select
    coalesce((
        select min(r.through) from read_through r
        join connector_relation c on c.connector = r.connector and c.relation in ('deployment', 'approval')
    ), timestamp '9999-01-01') as through,
    settle
from config_standard;

-- Everything that could still explain or unmask a change of a system: the releases, and the sessions of that system.
create or replace temporary table settled as
select
    t.system, t.source,
    least(
        coalesce(any_value(own.through), timestamp '9999-01-01'),
        coalesce((
            select min(r.through)
            from read_through r
            join sessions_told_by s using (source)
            join unmasked_by u on u.by_system = s.system and u.system = t.system
        ), timestamp '9999-01-01'),
        coalesce((
            select min(r.through)
            from read_through r
            join connector_relation c on c.connector = r.connector and c.relation = 'deployment'
        ), timestamp '9999-01-01')
    ) as through
from told_by t
left join read_through own on own.source = t.source
group by t.system, t.source;
