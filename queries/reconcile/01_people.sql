-- Who people are, by every spelling, and what role each had from when to when: out of the roster, and of what systems tell of
-- the groups that the configuration names.

create or replace table config_person as
with p as (
    select unnest(from_json((select configuration from run)->'$.person', '[{"position": "BIGINT", "name": "VARCHAR",
        "roles": [{"role": "VARCHAR", "services": ["VARCHAR"], "from": "VARCHAR", "to": "VARCHAR"}], "identities": ["VARCHAR"]}]')) as p
)
select p.position as person_id, p.name as name, lower(trimmed(coalesce(p.identities[1], p.name))) as actor, p.roles as roles, p.identities as identities from p;

-- Groups whose members have a role. What was told of each member, in its order; a fact that says what was known before
-- says nothing new.
create or replace temporary table group_span as
with
config_group as (
    select row_number() over () as group_entry, * from (
        select unnest(from_json((select configuration from run)->'$.group', '[{"source": "VARCHAR", "name": "VARCHAR", "role": "VARCHAR", "services": ["VARCHAR"]}]'), recursive := true)
    )
),
told as (
    select distinct g.group_entry, g.name as group_name, g.role, g.services, m.member_id, m.is_member, m.told_at, m.is_first
    from config_group g
    join membership_told m on m.source = g.source
     and (lower(m.group_id) = lower(g.name) or lower(m.group_name) = lower(g.name)
          or m.group_id in (select group_id from membership_told n where n.source = g.source and lower(n.group_name) = lower(g.name)))
),
turned as (
    select *, lag(is_member) over (partition by group_entry, member_id order by told_at, is_first) as before from told
),
followed as (
    select *, lead(told_at) over (partition by group_entry, member_id order by told_at, is_first) as next_at
    from turned where is_member is distinct from before
)
-- who was there when the group was first read, and of whom nothing earlier is told, was there before; so was who was removed
select group_entry, group_name, role, services, member_id,
       case when not is_member or (before is null and is_first) then timestamp '0001-01-01' else told_at end as valid_from,
       case when is_member then coalesce(next_at, timestamp '9999-01-01') else told_at end as valid_to
from followed
where is_member or before is null;

-- A member whom the roster knows by any spelling is that person; every other one is a person too.
create or replace temporary table group_person as
with
member as (
    select member_id, arg_max(member_name, (told_at, member_name)) filter (where member_name is not null and told_at is not null) as name, flatten(list(identities)) as identities
    from membership_told
    where member_id in (select member_id from group_span)
    group by member_id
),
spelling as (
    select member_id, lower(unnest(list_append(identities, member_id))) as identity from member
),
known as (
    select s.member_id, min(p.person_id) as person_id
    from spelling s
    join (select person_id, lower(unnest(list_append(identities, name))) as identity from config_person) p using (identity)
    group by s.member_id
)
select m.member_id, coalesce(m.name, m.identities[1], m.member_id) as name, list_distinct(list_append(m.identities, m.member_id)) as identities,
       k.person_id as known_id,
       coalesce(k.person_id, 1000000 + row_number() over (order by k.person_id nulls first, m.member_id)) as person_id
from member m
left join known k using (member_id);

insert into config_person
select person_id, name, lower(identities[1]), [], identities from group_person where known_id is null;
update config_person set identities = list_distinct(list_concat(config_person.identities, g.identities))
from (select known_id, flatten(list(identities)) as identities from group_person where known_id is not null group by known_id) g
where g.known_id = config_person.person_id;

-- Every spelling of a person, once: the first entry of the roster that has it. One that several people share tells nobody.
create or replace table config_identity as
select identity, person_id, actor
from (
    select lower(trimmed(unnest(list_append(identities, name)))) as identity, person_id, actor, lower(trimmed(name)) as name from config_person
)
qualify row_number() over (partition by identity order by person_id) = 1 and min(name) over (partition by identity) = max(name) over (partition by identity);

-- Who had which role, for which services (null: all), from when to when.
create or replace table config_role as
with r as (select person_id, unnest(roles) as r from config_person)
select person_id, r.role as role,
       case when len(r.services) > 0 then r.services end as services,
       coalesce(make_utc(r.from), timestamp '0001-01-01') as valid_from,
       coalesce(make_utc(r.to), timestamp '9999-01-01') as valid_to
from r
where r.role in ('senior', 'manager')
union all
select p.person_id, s.role, case when len(s.services) > 0 then s.services end, s.valid_from, s.valid_to
from group_span s
join group_person p using (member_id)
where s.role in ('senior', 'manager');

-- Who is in a group that may approve something, by any name that it goes by.
create or replace temporary table group_roll as
select lower(n.name) as name, list(distinct c.actor) as actors
from group_span s
join group_person p using (member_id)
join config_person c using (person_id)
join (
    select distinct group_entry, unnest([group_name, 'team:' || group_name]) as name from group_span
) n using (group_entry)
where s.valid_to > (select now from run) and s.valid_from <= (select now from run)
group by all;
