-- Who is behind a credential: every session followed, hop by hop, to where it began.
--
-- Most sign-ins lead to no change, and there are many: which of them may be behind one is asked of their keys alone, and only
-- these are read whole. What was found of a key at the last judgement stands where no sign-in with that key, or that completes
-- one with it, was mapped or forgotten since.

-- Of the copies of one token issue not each may have the answer: what one says of the key that was issued holds for all.
create or replace temporary table session_silent as
select rowid as place, * from session where issued_key is null and shared_key is not null;

create or replace temporary table session_answered as
select system, shared_key, max(issued_key) as issued_key, max(issued_name) as issued_name
from session semi join session_silent using (system, shared_key)
where issued_key is not null
group by all;

create or replace temporary view issued as
select rowid as place, * from session where issued_key is not null or shared_key is null
union all
select s.* replace (coalesce(s.issued_key, a.issued_key) as issued_key, coalesce(s.issued_name, a.issued_name) as issued_name)
from session_silent s left join session_answered a using (system, shared_key);

-- Who used a credential: for a change, or for another sign-in. Others lead nowhere.
create or replace temporary table session_caller as
select system, session_key as key, lower(actor_name) as name, case when actor_type = 'role' then session_started end as started from appearance
union
select system, caller_key, lower(caller_name), case when caller_type = 'role' then caller_started end
from session
where caller_key is not null or (caller_type = 'role' and caller_started is not null);

-- Sign-ins that may be behind a change: those that issued such a credential.
create or replace temporary table session_used as
select i.place, i.system, i.issued_key from issued i semi join session_caller c on c.system = i.system and c.key = i.issued_key;

-- And for those of whose credential no sign-in tells, those that issued an identity in the seconds in which it began.
create or replace temporary table session_began as
select distinct c.system, c.name, unnest(seconds_around(c.started)) as second
from session_caller c
anti join session_used u on u.system = c.system and u.issued_key = c.key
where c.started is not null;

create or replace temporary table session_by_time as
select i.place, i.system, i.issued_key, i.credential
from issued i
join session_began b on b.system = i.system and b.name = lower(i.issued_name) and b.second = epoch_second(i.occurred_at);

create or replace temporary table session_by_time_key as
select distinct system, issued_key from session_by_time anti join session_used using (system, issued_key) where issued_key is not null;

insert into session_used
select i.place, i.system, i.issued_key from issued i semi join session_by_time_key using (system, issued_key)
union all
select place, system, null from session_by_time where issued_key is null and credential is null;

-- Keys of which something else is known than at the last judgement.
create or replace temporary table session_key_again as
select system, issued_key from session_touched where issued_key is not null
union
select s.system, s.issued_key from session s semi join (from session_touched where shared_key is not null) using (system, shared_key) where s.issued_key is not null;

-- What stands: all that is known of a key which still leads to a change. Whom a standing credential vouches for is told by
-- other sign-ins, and may be another for any key.
create table if not exists session_hop as
select * exclude (place), null::varchar as role_key, null::varchar as caller_role_key, null::varchar as session_id from issued limit 0;

create or replace temporary table session_stands as
select h.session_id
from session_hop h
semi join session_used using (system, issued_key)
anti join session_by_time_key using (system, issued_key)
anti join session_key_again using (system, issued_key)
where not (select everything from run)
  and not exists (from session_touched where issued_key is null and credential is not null);

delete from session_hop where session_id not in (from session_stands);

create or replace temporary table session_to_follow as
select place from session_used where issued_key is null
union all
select place from session_used anti join session_hop using (system, issued_key) where issued_key is not null;

-- Of the copies of one token issue the one that names the caller counts; every issued key once.
insert into session_hop by name
with
-- whom a standing credential vouched for when it was used: its version then, else the first that was seen
held as (
    select
        system, credential, provider, subject,
        case when row_number() over (partition by system, credential order by occurred_at, record_id) = 1 then timestamp '0001-01-01' else occurred_at end as held_from
    from session
    where issued_key is null and credential is not null
),
signed_in as (
    select u.* replace (coalesce(u.provider, h.provider) as provider, coalesce(u.subject, h.subject) as subject)
    from (select * exclude (place) from issued semi join session_to_follow using (place)) u
    asof left join held h on h.system = u.system and h.credential = u.credential and u.occurred_at >= h.held_from
),
ranked as (
    select
        *, role_key(role) as role_key, role_key(caller_role) as caller_role_key,
        sha256(concat_ws(chr(31), system, coalesce(issued_key, issued_name || '@' || occurred_at::varchar, record_id))) as session_id
    from signed_in
)
from ranked
qualify row_number() over (
    partition by session_id
    order by caller_type in ('account', 'unknown'), caller_key is null, occurred_at, record_id
) = 1;

-- The session that a caller came with: by its key, else by the identity it acted as and the second in which that began. Of the
-- sign-ins in these seconds the nearest; where the nearest are several people's, nothing tells which it was, and of several
-- runs it may be each. One that issued another key than the caller used is not the one.
create or replace temporary table session_parent as
with
by_key as (
    select child.session_id, parent.session_id as parent_id, false as several, [parent.run_id] as run_ids, [parent.tag_run_id] as tag_run_ids
    from session_hop child
    join session_hop parent on parent.system = child.system and parent.issued_key = child.caller_key
    where parent.session_id <> child.session_id
),
keyless as (
    select session_id, system, caller_key, lower(caller_name) as name, caller_started, unnest(seconds_around(caller_started)) as second
    from session_hop
    where caller_type = 'role' and caller_started is not null
      and session_id not in (select session_id from by_key)
),
by_time as (
    select
        child.session_id, parent.session_id as parent_id, parent.caller_type, parent.caller_name, parent.caller_role, parent.subject, parent.run_id, parent.tag_run_id,
        rank() over (partition by child.session_id order by abs(epoch_us(parent.occurred_at) - epoch_us(child.caller_started))) as nearness
    from keyless child
    join session_hop parent
      on parent.system = child.system and lower(parent.issued_name) = child.name and epoch_second(parent.occurred_at) = child.second
    where parent.session_id <> child.session_id and (child.caller_key is null or parent.issued_key is null)
)
from by_key
union all
select
    session_id, min(parent_id), count(distinct (caller_type, caller_name, caller_role, subject)) > 1,
    list_sort(list(distinct run_id)), list_sort(list(distinct tag_run_id))
from by_time
where nearness = 1
group by session_id;

-- Each session with its whole chain. Chains are short; one that goes on after 20 hops (or a circle: there is none in honest
-- evidence) is cut, and says nothing of who is at its root.
create or replace temporary table session_chain as
with recursive chain as (
    select session_id, session_id as hop_id, 1 as hops,
           [role_key] as roles, [session_name] as session_names, [run_id] as run_ids, [tag_run_id] as tag_run_ids,
           [source_identity] as source_identities, [record_id] as records, false as several
    from session_hop semi join session_parent using (session_id)
    union all
    select c.session_id, p.parent_id, c.hops + 1,
           list_append(c.roles, h.role_key), list_append(c.session_names, h.session_name), list_concat(c.run_ids, p.run_ids),
           list_concat(c.tag_run_ids, p.tag_run_ids), list_append(c.source_identities, h.source_identity), list_append(c.records, h.record_id),
           c.several or p.several
    from chain c
    join session_parent p on p.session_id = c.hop_id
    join session_hop h on h.session_id = p.parent_id
    where c.hops < 20
),
whole as (
    (select * from chain qualify row_number() over (partition by session_id order by hops desc) = 1)
    union all
    -- most were begun by nobody's session
    select session_id, session_id, 1, [role_key], [session_name], [run_id], [tag_run_id], [source_identity], [record_id], false
    from session_hop anti join session_parent using (session_id)
)
select
    w.session_id, own.system, own.issued_key, lower(own.issued_name) as issued_name, own.occurred_at, w.hops,
    root.session_id as root_id, further.session_id is not null as cut, w.several,
    root.caller_type, root.caller_name, root.caller_role, root.caller_session, root.provider, root.subject,
    -- a key of the caller's own session holds together what was done with it; a user's own key is no session's
    coalesce(case when root.caller_type not in ('user', 'root') or root.caller_started is not null then root.caller_key end, root.issued_key, root.session_id) as root_key,
    list_filter(list_append(w.roles, root.caller_role_key), lambda x: x is not null) as roles,
    list_filter(w.session_names, lambda x: x is not null) as session_names,
    list_filter(list_concat(w.run_ids, w.tag_run_ids), lambda x: x is not null) as run_ids,
    list_filter(w.source_identities, lambda x: x is not null) as source_identities,
    w.records
from whole w
join session_hop own on own.session_id = w.session_id
join session_hop root on root.session_id = w.hop_id
left join session_parent further on further.session_id = w.hop_id;

-- Sign-ins that were followed anew.
create or replace temporary table session_again as
select record_id from session_hop where session_id not in (from session_stands);
