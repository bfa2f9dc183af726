-- Which changes there are, and the ways in which actors show themselves in them.

-- What several records tell of one change is one: copies in several accounts or sources, beginning and end of an
-- operation. It began with the first of them; the end that was seen says how it went; the copy of the account that owns
-- the resource says where it was, a copy that names the caller says who it was; where the provider ended it, whoever began
-- it. What the system says to correct another record counts before that one.

-- Changes of which several records tell: asked of all once, and then of those of which a record tells, or told, that was
-- mapped or forgotten in this run.
create table if not exists told_twice as
select change_id from event where category = 'change' group by change_id having count(*) > 1;
delete from told_twice where change_id in (from touched);
insert into told_twice
select change_id from event semi join touched using (change_id) where category = 'change' group by change_id having count(*) > 1;

-- The caller of Azure may choose the ids by which an operation is known. So all that is about the same (the table that a
-- caller of the macro names) is put in its order, and is cut where another operation begins: another actor, another key, a
-- record after an end, without a key a second beginning too. What is cut off is an operation of its own.
create or replace temporary macro pieces(records) as table
with
-- what one actor began and nobody has ended yet, the provider may end: nobody else has its tokens
ended_by_the_provider as (
    select
        * replace (
            case when not (by_provider and not begins and coalesce(
                last_value(case when not by_provider or begins then begins end ignore nulls) over earlier
                    and min(caller) filter (where not by_provider or begins) over earlier = max(caller) filter (where not by_provider or begins) over earlier
                    and coalesce(key = last_value(key ignore nulls) over earlier, true),
                false
            )) then caller end as caller
        )
    from query_table(records)
    window earlier as (
        partition by system, about order by occurred_at, not begins, key is null, source, record_id
        rows between unbounded preceding and 1 preceding
    )
),
with_what_came_before as (
    select
        *,
        last_value(key ignore nulls) over earlier as key_before,
        last_value(caller ignore nulls) over earlier as caller_before,
        max(occurred_at) filter (where not begins) over earlier as end_before,
        max(occurred_at) filter (where begins) over earlier as beginning_before
    from ended_by_the_provider
    window earlier as (
        partition by system, about order by occurred_at, not begins, key is null, source, record_id
        rows between unbounded preceding and 1 preceding
    )
),
cut as (
    select
        w.*,
        coalesce(
            caller <> caller_before or key <> key_before
            -- ends of one operation, and what its records say of its beginning, lie close together
            or (occurred_at > end_before + skew and coalesce(beginning_before <= end_before, true))
            or (key is null and begins and occurred_at > beginning_before + skew)
            or occurred_at > beginning_before + max_running,
            false
        ) as begins_another
    from with_what_came_before w
    cross join config_standard
),
numbered as (
    select *, count(*) filter (where begins_another) over (
        partition by system, about order by occurred_at, not begins, key is null, source, record_id
    ) as number
    from cut
)
select
    system, source, record_id, key,
    any_value(key) over whole as key_of_piece,
    case when number = 0 then about else about || '|' || strftime(min(occurred_at) over whole, '%Y-%m-%dT%H:%M:%S.%fZ') end as name
from numbered
window whole as (partition by system, about, number);

create or replace temporary view identifiable as
select system, change_id, change_key, copy_key, source, record_id, occurred_at, outcome = 'pending' as begins,
       case when actor_type not in ('account', 'unknown', 'workload') then actor_type || '|' || lower(actor_name) end as caller,
       actor_type = 'service' as by_provider
from event
where category = 'change';

-- First what has the provider's key, operation by operation.
create or replace temporary table with_key as
select system, change_key as about, source, record_id, occurred_at, begins, change_key as key, caller, by_provider
from identifiable
semi join told_twice using (change_id)
where change_key <> copy_key;

create or replace temporary table keyed as
select system, source, record_id, name as change_key from pieces('with_key');

-- Then the copies without one (exports leave it out), known by what they are about: they belong to the operation whose key
-- stands in their piece; a piece without one is an operation of its own.
create or replace temporary table beside_keyless as
select i.system, i.copy_key as about, i.source, i.record_id, i.occurred_at, i.begins,
       case when i.change_key <> i.copy_key then coalesce(k.change_key, i.change_key) end as key, i.caller, i.by_provider
from identifiable i
semi join (select distinct system, copy_key from identifiable where change_key = copy_key) keyless using (system, copy_key)
left join keyed k using (source, record_id);

create or replace table moved as
with named as (
    select * from keyed
    union all
    select system, source, record_id, coalesce(key_of_piece, name) from pieces('beside_keyless') where key is null
)
select n.source, n.record_id, n.change_key, change_id(n.system, n.change_key) as change_id
from named n
join event e using (source, record_id)
where e.category = 'change' and n.change_key <> e.change_key;

-- Evidence of a change (its before and after) is a change of its own only where no log tells of that operation at all.
create or replace temporary table unlogged as
with evidence as (
    select source, record_id, system, unnest(correlation_ids) as correlation_id
    from event
    where category = 'evidence' and change_key = copy_key
),
logged as (
    select system, unnest(correlation_ids) as correlation_id
    from event
    where category <> 'evidence' and exists (from evidence)
)
select source, record_id from evidence
except
select source, record_id from evidence join logged using (system, correlation_id);

create or replace temporary view told as
select
    e.* replace (
        coalesce(m.change_key, e.change_key) as change_key,
        coalesce(m.change_id, e.change_id, change_id(e.system, e.change_key)) as change_id
    ),
    e.change_id as own_id
from event e
left join moved m using (source, record_id)
where e.category = 'change' or (e.source, e.record_id) in (from unlogged);

-- Which changes that makes: told by several records, or by evidence alone.
create or replace temporary table told_again as
from told_twice
union
select change_id from moved
union
select change_id(system, change_key) from event semi join unlogged using (source, record_id) where category = 'evidence';

-- The changes that are put together from several records or from evidence alone, and the records that do not stand for a
-- change of their own.
create or replace table put_together as
with
merged as (
    select
        e.change_id, any_value(e.system) as system, any_value(e.change_key) as change_key,
        min(e.occurred_at) as occurred_at,
        max(e.ended_at) as ended_at,
        case
            when coalesce(bool_or(e.outcome = 'succeeded') filter (e.corrects), bool_or(e.outcome = 'succeeded')) then 'succeeded'
            when bool_or(e.outcome = 'failed') then 'failed'
            else 'pending'
        end as outcome,
        arg_min(e, (not coalesce(e.corrects, false), e.outcome = 'pending', e.outcome = 'failed', not e.owner, e.occurred_at, e.source, e.record_id, e.raw_hash)) as place,
        arg_min(e, (e.actor_type in ('account', 'unknown'), e.actor_name is null, e.actor_type = 'workload', e.actor_type = 'service' and e.outcome <> 'pending', not coalesce(e.corrects, false), not e.owner, e.occurred_at, e.source, e.record_id, e.raw_hash)) as who
    from told e
    join told_again using (change_id)
    group by e.change_id
)
select
    change_id, system, change_key, occurred_at, ended_at, outcome, place.source, place.record_id, place.raw_hash, place.error, who.appearance_id, who.channel,
    place.action, place.operation, place.resource, place.further_resources, place.account, place.region, place.subscription, place.resource_group, place.object, place.version, place.run_ids, place.correlation_ids,
    place.starts_operation, place.operation_plan, place.operation_role, place.part_of, place.on_behalf_of
from merged;

create or replace table part_of_another as
select distinct own_id as change_id from told join told_again using (change_id) where own_id is not null;

-- Each change once. Most are told by one record, and stay where they are: `place` says where.
create or replace view told_change_placed as
select
    change_id, system, change_key, occurred_at, ended_at, outcome, source, record_id, raw_hash, error, appearance_id, channel,
    action, operation, resource, further_resources, account, region, subscription, resource_group, object, version, run_ids, correlation_ids,
    starts_operation, operation_plan, operation_role, part_of, on_behalf_of, rowid as place
from event anti join part_of_another using (change_id)
where category = 'change'
union all
select *, null from put_together;

create or replace view told_change as
select * exclude (place) from told_change_placed;

create or replace view change_event as
select * from told_change where outcome in ('succeeded', 'failed');

-- Everything that tells of a change: its records, and what its resource was before and after the same operation.
create or replace view telling as
select c.change_id, e.* exclude (change_id)
from change_event c
join event e using (system, change_key)
where (e.source, e.record_id) not in (select (source, record_id) from moved)
union all
select m.change_id, e.* exclude (change_id)
from moved m
join event e using (source, record_id)
union all
select c.change_id, e.* exclude (change_id, folded, correlation)
from (select change_id, system, change_key, lower(resource) as folded, unnest(correlation_ids) as correlation from change_event) c
join (select *, lower(resource) as folded, unnest(correlation_ids) as correlation from event where category = 'evidence') e
  using (system, folded, correlation)
where e.change_key <> c.change_key;

-- The change that a record tells of.
create or replace view record_change as
select e.source, e.record_id, coalesce(m.change_id, e.change_id) as change_id
from event e
left join moved m using (source, record_id)
where e.category = 'change';

-- Begun, and no end seen: not a change yet.
create or replace view pending_event as
select * from told_change where outcome = 'pending';

-- Every distinct way in which an actor shows itself: far fewer than changes. Plans show theirs too. Asked of all once, and then
-- of those of which a record was mapped or forgotten in this run. Told apart by their number alone: the records are wide.
create table if not exists change_appearance as
select appearance_id, system, actor_type, actor_name, actor_role, session_name, session_key, session_started, source_identity, invoked_by, console
from event
semi join (select max(rowid) as place from event where category = 'change' group by appearance_id) last on event.rowid = last.place;
delete from change_appearance where appearance_id in (from appearance_touched);
insert into change_appearance
select appearance_id, system, actor_type, actor_name, actor_role, session_name, session_key, session_started, source_identity, invoked_by, console
from event
semi join (
    select max(rowid) as place from event semi join appearance_touched using (appearance_id) where category = 'change' group by appearance_id
) last on event.rowid = last.place;

create or replace temporary view appearance as
select * replace (
    -- an ARN is AWS's own name, whichever system tells it: its sign-ins are there
    case when actor_type in ('role', 'user', 'root') and actor_name like 'arn:%' then 'aws' else system end as system,
    -- an application's own id leads to what is told of it
    coalesce(session_key, case when actor_type = 'application' then lower(actor_role) end) as session_key
)
from (
    from change_appearance
    union all
    select distinct
        appearance_id, system, actor_type, actor_name, actor_role, session_name, session_key, session_started, source_identity, invoked_by, console
    from event semi join unlogged using (source, record_id)
    where appearance_id not in (select appearance_id from change_appearance)
);
