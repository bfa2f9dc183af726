-- Which changes there are, and the ways in which actors show themselves in them.

-- What several records tell of one change is one: copies in several accounts or sources, beginning and end of an
-- operation. It began with the first of them; the end that was seen says how it went; the copy of the account that owns
-- the resource says where it was, a copy that names the caller says who it was.

-- A copy without the provider's key (exports leave it out) joins the change of a fuller source that is about the same
-- and nearest in time.
create or replace temporary table moved as
with keyless as (select system, copy_key, source, record_id, occurred_at from event where copy_key is not null and change_key = copy_key and category = 'change')
select e.source, e.record_id, arg_min(f.change_key, (abs(epoch_us(f.occurred_at) - epoch_us(e.occurred_at)), f.change_key)) as change_key
from event f
join keyless e using (system, copy_key)
where f.category = 'change' and f.change_key <> f.copy_key
group by e.source, e.record_id;

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
        coalesce(case when m.change_key is null then e.change_id end, change_id(e.system, coalesce(m.change_key, e.change_key))) as change_id
    ),
    e.change_id as own_id
from event e
left join moved m using (source, record_id)
where e.category = 'change' or (e.source, e.record_id) in (from unlogged);

-- Which changes that makes: told by several records, or by evidence alone.
create or replace temporary table told_again as
select change_id from event where category = 'change' group by change_id having count(*) > 1
union
select change_id(e.system, m.change_key) from event e join moved m using (source, record_id)
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
        case when bool_or(e.outcome = 'pending') then max(e.occurred_at) filter (where e.outcome <> 'pending') end as ended_at,
        case when bool_or(e.outcome = 'succeeded') then 'succeeded' when bool_or(e.outcome = 'failed') then 'failed' else 'pending' end as outcome,
        arg_min(e, (e.outcome = 'pending', e.outcome = 'failed', not e.owner, e.occurred_at, e.source, e.record_id, e.raw_hash)) as place,
        arg_min(e, (e.actor_type in ('account', 'unknown'), e.actor_name is null, e.actor_type = 'workload', not e.owner, e.occurred_at, e.source, e.record_id, e.raw_hash)) as who
    from told e
    join told_again using (change_id)
    group by e.change_id
)
select
    change_id, system, change_key, occurred_at, ended_at, outcome, place.source, place.record_id, place.raw_hash, place.error, who.appearance_id, who.channel,
    place.action, place.operation, place.resource, place.account, place.region, place.subscription, place.resource_group, place.object, place.version, place.run_ids, place.correlation_ids,
    place.starts_operation, place.operation_plan, place.operation_role, place.part_of, place.on_behalf_of
from merged;

create or replace table part_of_another as
select distinct own_id as change_id from told join told_again using (change_id) where own_id is not null;

-- Each change once. Most are told by one record, and stay where they are: `place` says where.
create or replace view told_change_placed as
select
    change_id, system, change_key, occurred_at, null::timestamp as ended_at, outcome, source, record_id, raw_hash, error, appearance_id, channel,
    action, operation, resource, account, region, subscription, resource_group, object, version, run_ids, correlation_ids,
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
union all
select c.change_id, e.* exclude (change_id, folded, correlation)
from (select change_id, system, change_key, lower(resource) as folded, unnest(correlation_ids) as correlation from change_event) c
join (select *, lower(resource) as folded, unnest(correlation_ids) as correlation from event where category = 'evidence') e
  using (system, folded, correlation)
where e.change_key <> c.change_key;

-- Begun, and no end seen: not a change yet.
create or replace view pending_event as
select * from told_change where outcome = 'pending';

-- Every distinct way in which an actor shows itself: far fewer than changes. Plans show theirs too.
create or replace temporary table appearance as
select
    appearance_id,
    any_value(system) as system, any_value(actor_type) as actor_type, any_value(actor_name) as actor_name, any_value(actor_role) as actor_role,
    any_value(session_name) as session_name, any_value(session_key) as session_key, any_value(session_started) as session_started,
    any_value(source_identity) as source_identity, any_value(invoked_by) as invoked_by, any_value(console) as console
from told
group by appearance_id;
