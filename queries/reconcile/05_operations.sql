-- What a service does on behalf of an operation (a stack, a template) belongs to whoever started the operation.

-- Operations with the role that they act with: as named, else as the change set or an earlier operation of the stack named it.
-- One that bears the key which all that it makes bears too (a template's correlation id) encloses its modules; a stack of a
-- stack has a key of its own, and is no beginning.
create or replace temporary table operation as
with started as (
    -- one that failed at its end had done something by then; one whose end was not seen may be at work
    select change_id, source, record_id, 'change' as category, system, account, subscription, occurred_at, ended_at, starts_operation, operation_plan, operation_role, appearance_id,
           starts_operation is not distinct from part_of as encloses, operation
    from told_change
    where starts_operation is not null and (on_behalf_of is null or starts_operation = part_of) and (outcome <> 'failed' or ended_at > occurred_at)
    union all
    -- a plan is no change, but it names the role, and may make the stack; one for several stacks names one in each line
    select null, source, record_id, category, system, account, subscription, occurred_at, null, unnest(string_split(starts_operation, chr(10))), operation_plan, operation_role, null, false,
           case when on_behalf_of is null then operation end
    from event
    where starts_operation is not null and outcome = 'succeeded' and category = 'evidence'
),
planned as (
    -- the stack of a plan is known from where the plan was written, and so is its role
    select s.* replace (coalesce(w.starts_operation, s.starts_operation) as starts_operation, coalesce(s.operation_role, w.operation_role) as operation_role)
    from started s
    left join (
        select operation_plan, starts_operation, any_value(operation_role order by occurred_at) as operation_role
        from started where category = 'evidence' and operation_plan is not null group by operation_plan, starts_operation
    ) w on s.category = 'change' and w.operation_plan = s.operation_plan
),
numbered as (
    -- what is made anew under an old name has nothing of what had that name before
    select *, count(*) filter (operation = 'create') over so_far as making
    from planned
    -- sets of one name may be in several accounts
    window so_far as (partition by system, account, starts_operation order by occurred_at, record_id rows between unbounded preceding and current row)
),
with_role as (
    select
        * exclude (operation_plan, operation_role, making),
        -- a stack keeps the role that it was made with
        role_key(last_value(operation_role ignore nulls) over (
            partition by system, account, starts_operation, making order by occurred_at, record_id rows between unbounded preceding and current row
        )) as acts_with,
        making > 0 as made
    from numbered
)
select w.*, a.actor_kind, a.actor, a.actor_name, a.session_key, a.session_started
from with_role w
join actor a using (appearance_id)
where w.category = 'change';

-- Each change done on behalf of an operation, with the operation that it belongs to: the latest one on its stack,
-- else by its role, else (the service acting as the caller) by its own session.
create or replace temporary table done_for_another as
with
named as (
    -- a stack of a stack set is named after the set, which is operated from another account than its stacks lie in
    select
        * replace (case when starts_with(part_of, 'stackset/') then nullif(regexp_replace(part_of, '^stackset/[^/]+/?', ''), '') else part_of end as part_of),
        nullif(regexp_extract(part_of, '^stackset/[^/]+'), '') as part_of_set
    from change_event
)
select e.change_id, e.system,
       -- a stack works in the account of the identity that it has, whosever is what it touches there
       coalesce(nullif(regexp_extract(a.actor_name, '^arn:[^:]*:(?:iam|sts)::(\d+):', 1), ''), e.account) as account, e.subscription, e.occurred_at, e.part_of, e.on_behalf_of,
       -- anybody may name a stack so: one that somebody made is none of a set
       case when e.part_of is null or e.part_of not in (select starts_operation from operation where made) then e.part_of_set end as part_of_set,
       role_key(a.actor_role) as role, a.actor_name, a.session_key, a.session_started,
       e.starts_operation, date_trunc('hour', e.occurred_at) as hour,
       a.roles,
       -- the organisation's stack sets: AWS's own role in the management account does what a delegated administrator asks for
       a.actor_kind = 'platform' and len(list_filter(a.roles, lambda r: ends_with(r, '/awsserviceroleforcloudformationstacksetsorgadmin'))) > 0 as for_organisation
from named e
join actor a using (appearance_id)
-- a person who took the stack's role is not the service, whatever the session is called
where e.on_behalf_of = 'caller' or (e.on_behalf_of = 'initiator' and a.actor_kind <> 'person');

create or replace temporary table initiated_at_once as
with
-- what is done for another, in the places from which that may have been started
child as (
    select *, unnest(case when part_of_set is null then [account] else [account, part_of_set] end) as place from done_for_another
),
-- operations, spread over the hours in which their work may still be going on
spread as (
    select o.*, case when o.starts_operation like 'stackset/%' then o.starts_operation else o.account end as place,
           unnest(generate_series(date_trunc('hour', o.occurred_at), date_trunc('hour', o.occurred_at + c.operation_window), interval 1 hour)) as hour
    from operation o cross join config_standard c
),
candidate as (
    select ch.change_id, coalesce(o.starts_operation = ch.part_of or o.starts_operation = ch.part_of_set, false) as by_stack,
           ch.part_of like '%/%/%' or ch.part_of_set is not null as names_stack,
           coalesce(starts_with(o.starts_operation, ch.part_of || '/'), false) as in_region, ch.on_behalf_of,
           -- it may have been by the role that its stack was once given, and that nobody saw
           coalesce(o.acts_with <> ch.role, true) and not by_stack and ch.on_behalf_of = 'initiator' as by_unseen_role,
           o.occurred_at <= ch.session_started + c.skew as before_session,
           o.change_id as operation_id, o.* exclude (hour, place, change_id)
    from child ch
    join spread o on o.system = ch.system and o.place is not distinct from ch.place and o.hour = ch.hour
      -- where the sign-in tells which role took the session, the set is that account's, or was operated for it
      and (o.place = o.account or len(ch.roles) < 2 or len(list_filter(ch.roles, lambda r: starts_with(r, o.account || '/'))) > 0
          or (ch.for_organisation and o.acts_with = 'awsserviceroleforcloudformationstacksetsorgadmin'))
    cross join config_standard c
    where o.occurred_at between ch.occurred_at - c.operation_window and ch.occurred_at
      -- where an operation's end was seen its work lies before
      and (o.ended_at is null or ch.occurred_at <= o.ended_at + c.skew)
      -- a template's modules may lie in other subscriptions, what they make lies in theirs; and of two one is the first
      and (not o.encloses or case when ch.starts_operation is null then o.subscription is not distinct from ch.subscription
          else (o.occurred_at, o.change_id) < (ch.occurred_at, ch.change_id) end)
      and (
          -- what keeps the caller's identity is the caller's: a correlation id can be chosen
          o.starts_operation = ch.part_of_set
          or (o.starts_operation = ch.part_of and (ch.on_behalf_of = 'initiator' or o.actor_name is not distinct from ch.actor_name))
          or (ch.on_behalf_of = 'initiator' and o.acts_with = ch.role)
          or (ch.on_behalf_of = 'initiator' and o.acts_with is null and not o.made and not o.encloses and ch.role is not null
              and coalesce(o.starts_operation not like 'stackset/%', true)
              -- one that acts as its caller has no role
              and not exists (from child c where c.on_behalf_of = 'caller' and c.session_key = o.session_key))
          or (ch.on_behalf_of = 'caller' and o.session_key = ch.session_key)
          -- the service may act with a key of its own in the caller's session, and for a user's own key in a session of its own
          or (ch.on_behalf_of = 'caller' and o.actor_name = ch.actor_name and (
              o.session_started = ch.session_started
              or (o.session_started is null and (contains(o.actor_name, ':user/') or (ch.session_key is null and ch.session_started is null)))
          ))
      )
),
chosen as (
    select * from candidate
    where not by_unseen_role and (by_stack or not names_stack or names_stack is null)
    -- a stack does its work in its own region; of its operations the latest is at work, of a template and its modules the
    -- first holds the others
    qualify row_number() over (
        partition by change_id
        order by by_stack desc, in_region desc, case when encloses then -epoch_us(occurred_at) else epoch_us(occurred_at) end desc, record_id
    ) = 1
),
session_taken_for as (
    -- the role's session was taken for the latest operation of then; whether the service keeps it for later ones is not known
    select change_id, operation_id from candidate
    where before_session
    qualify row_number() over (partition by change_id order by in_region desc, by_unseen_role, occurred_at desc, record_id) = 1
),
others as (
    -- another initiator shortly before, or at work when the session was taken, and nothing tells which of the two it was
    select ch.change_id, list(distinct o.actor order by o.actor) as actors
    from chosen ch
    join candidate o on o.change_id = ch.change_id
    where ch.on_behalf_of = 'initiator' and (o.in_region or not ch.in_region)
      and case
          -- of two on one stack the first was over when the second began; a set's wait for each other
          when not ch.by_stack then (o.starts_operation <> ch.starts_operation or starts_with(o.starts_operation, 'stackset/'))
            and (o.occurred_at >= ch.occurred_at - interval 10 minutes or (o.change_id, o.operation_id) in (from session_taken_for))
          -- two sets of one name, or a set and somebody who laid hands on a stack of it: a set goes from account to account for hours
          else o.by_stack and (o.account, o.starts_operation) is distinct from (ch.account, ch.starts_operation)
            and (o.occurred_at >= ch.occurred_at - interval 10 minutes or starts_with(o.starts_operation, 'stackset/'))
      end
      and (o.actor_kind, o.actor) is distinct from (ch.actor_kind, ch.actor)
    group by ch.change_id
)
select
    c.change_id, c.operation_id, c.source as operation_source, c.record_id as operation_record, c.starts_operation as operation,
    c.occurred_at as operation_started_at, case when c.on_behalf_of = 'initiator' then c.appearance_id end as initiator_id, o.actors as other_initiators
from chosen c
left join others o using (change_id);

-- A stack that another stack or a stack set made: what is done in it belongs to whoever started that.
create or replace table initiated as
with
nested as (
    select n.*, i.* exclude (change_id)
    from done_for_another n
    join initiated_at_once i using (change_id)
    where n.starts_operation <> coalesce(n.part_of, n.part_of_set)
),
heirs as (
    select
        ch.change_id, n.operation_source, n.operation_record, n.operation, n.operation_started_at,
        -- also where it seemed to act as its caller: then that is the session in which the stack was made
        n.initiator_id, n.other_initiators, n.change_id as made_by, n.occurred_at as made_at, coalesce(n.starts_operation = ch.part_of, false) as by_stack,
        n.occurred_at = max(n.occurred_at) filter (n.occurred_at <= ch.session_started + c.skew) over (partition by ch.change_id) as session_taken_for
    from done_for_another ch
    join nested n on n.system = ch.system and n.account is not distinct from ch.account and n.change_id <> ch.change_id
    cross join config_standard c
    where n.occurred_at between ch.occurred_at - c.operation_window and ch.occurred_at
      and ch.change_id not in (select change_id from initiated_at_once)
      and (
          n.starts_operation = ch.part_of
          or (not coalesce(ch.part_of like '%/%/%', false) and (
              (ch.on_behalf_of = 'initiator' and n.role = ch.role)
              or (ch.on_behalf_of = 'caller' and n.session_key = ch.session_key)
          ))
      )
),
heir as (
    select * from heirs
    qualify row_number() over (partition by change_id order by by_stack desc, made_at desc, made_by) = 1
),
inherited as (
    select
        h.change_id, h.operation_source, h.operation_record, h.operation, h.operation_started_at, h.initiator_id,
        -- another initiator's stack shortly before, or at work when the session was taken, and nothing tells in which of the two
        -- it was done
        coalesce(h.other_initiators, (
            select list(distinct a.actor order by a.actor)
            from heirs o
            join actor a on a.appearance_id = o.initiator_id
            join actor own on own.appearance_id = h.initiator_id
            where o.change_id = h.change_id and not h.by_stack
              and (o.made_at >= h.made_at - interval 10 minutes or o.session_taken_for)
              and (a.actor_kind, a.actor) is distinct from (own.actor_kind, own.actor)
        )) as other_initiators
    from heir h
)
select
    i.change_id,
    -- a module belongs to the template that holds it, and so does what it makes
    if(t.change_id is null, i.operation_source, t.operation_source) as operation_source,
    if(t.change_id is null, i.operation_record, t.operation_record) as operation_record,
    i.operation,
    if(t.change_id is null, i.operation_started_at, t.operation_started_at) as operation_started_at,
    i.initiator_id, i.other_initiators
from initiated_at_once i
left join initiated_at_once t on t.change_id = i.operation_id
union all
from inherited;
