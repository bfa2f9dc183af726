-- Which sign-in is behind each way in which an actor shows itself, and who has to be made out.

create or replace temporary table appearance_session as
with
by_key as (
    select a.appearance_id, c.session_id
    from appearance a join session_chain c on c.system = a.system and c.issued_key = a.session_key
),
keyless as (
    select appearance_id, system, lower(actor_name) as name, session_started, unnest(seconds_around(session_started)) as second
    from appearance
    where actor_type = 'role' and session_started is not null and appearance_id not in (select appearance_id from by_key)
),
keyed_by_time as (
    -- of the sign-ins in these seconds the nearest; where the nearest are several people's, nothing tells which it was
    select k.appearance_id, c.session_id, c.caller_type, c.caller_name, c.subject,
           rank() over (partition by k.appearance_id order by abs(epoch_us(c.occurred_at) - epoch_us(k.session_started))) as nearness
    from keyless k
    join session_chain c on c.system = k.system and c.issued_name = k.name and epoch_second(c.occurred_at) = k.second
)
select appearance_id, session_id, false as several from by_key
union all
select appearance_id, min(session_id), count(distinct (caller_type, caller_name, subject)) > 1
from keyed_by_time
where nearness = 1
group by appearance_id;

-- Appearances to make out: all where everything is judged, else those that 04_appearances_again.sql finds.
create or replace temporary table appearance_again as
select appearance_id from appearance where (select everything from run);
