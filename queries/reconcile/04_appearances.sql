-- Which sign-in is behind each way in which an actor shows itself, and who has to be made out.

create or replace temporary table appearance_session as
with
by_key as (
    select a.appearance_id, c.session_id, c.several, c.run_ids
    from appearance a join session_chain c on c.system = a.system and c.issued_key = a.session_key
),
keyless as (
    select appearance_id, system, lower(actor_name) as name, session_started, unnest(seconds_around(session_started)) as second,
           -- a service that acts for the session, and the console, use keys of their own; not every record of the console says so
           case when invoked_by is null and session_key not in (select session_key from appearance where console and session_key is not null) then session_key end as key
    from appearance
    where actor_type = 'role' and session_started is not null and appearance_id not in (select appearance_id from by_key)
),
keyed_by_time as (
    -- of the sign-ins in these seconds the nearest; where the nearest are several people's, nothing tells which it was
    select k.appearance_id, c.session_id, c.caller_type, c.caller_name, c.subject, c.several, c.run_ids,
           -- a copy that names only the caller's account says less than one that names the caller
           rank() over (partition by k.appearance_id order by c.caller_type in ('account', 'unknown'), abs(epoch_us(c.occurred_at) - epoch_us(k.session_started))) as nearness
    from keyless k
    join session_chain c on c.system = k.system and c.issued_name = k.name and epoch_second(c.occurred_at) = k.second
    -- a sign-in that issued another key is not the one
    where k.key is null or c.issued_key is null
)
from by_key
union all
-- of several runs it may be each
select appearance_id, min(session_id), bool_or(several) or count(distinct (caller_type, caller_name, subject)) > 1, list_sort(list_distinct(flatten(list(run_ids))))
from keyed_by_time
where nearness = 1
group by appearance_id;

-- Appearances to make out: all where everything is judged, else those that 04_appearances_again.sql finds.
create or replace temporary table appearance_again as
select appearance_id from appearance where (select everything from run);
