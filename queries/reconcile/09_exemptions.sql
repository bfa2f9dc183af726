-- What people approved that the rules are asked to let pass, and whether it counts: `exempt` and `baseline` ask here too.

-- Exemptions that count: approved by another person than who asked, in the role at that time.
create or replace table exemption as
with spelled as (
    -- a name that is none covers nobody, and does not make the exemption one for everybody
    select *, [lower(x) for x in texts_of(actors)] as spellings from config_exemption
),
named as (
    select
        e.* exclude (spellings),
        list_distinct(list_concat(
            e.spellings, (select coalesce(list(i.actor), []) from config_identity i where list_contains(e.spellings, i.identity))
        )) as covered_actors
    from spelled e
)
select
    e.*,
    coalesce(requester.actor, lower(e.requested_by)) as requester_actor,
    coalesce(approver.actor, lower(e.approved_by)) as approver_actor,
    case
        when approver.person_id is null or not exists (
            from config_role r
            where r.person_id = approver.person_id and (r.services is null or e.service is null or list_contains(r.services, e.service))
              and e.valid_from >= r.valid_from and e.valid_from < r.valid_to
        ) then 'the approver is neither senior nor manager'
        when e.requested_by is null then 'nobody is named who asked for it'
        when coalesce(requester.actor, lower(e.requested_by)) = coalesce(approver.actor, lower(e.approved_by)) then 'who asked for it approved it'
        when e.valid_from is null or e.valid_to is null or e.valid_from >= e.valid_to then 'it covers no time'
        when e.service is null and e.environment is null and len(e.actors) = 0 then 'it would excuse everybody'
        -- no control was failed by what went through no release
        when len(e.controls) > 0 and len(e.deployments) = 0 then 'it names controls, and no deployment that may fail them'
        -- of several actors it covers the others
        when len(e.actors) > 0 and not exists (
            from (select unnest(e.actors) as name) a
            left join config_identity i on i.identity = lower(trimmed(a.name))
            where coalesce(i.actor, lower(trimmed(a.name))) <> coalesce(approver.actor, lower(e.approved_by))
        ) then 'who made the changes approved it'
    end as invalid,
    -- what the approver's role is for: null means every service
    (
        select case when bool_and(r.services is not null) then list_distinct(flatten(list(r.services))) end
        from config_role r
        where r.person_id = approver.person_id and e.valid_from >= r.valid_from and e.valid_from < r.valid_to
    ) as approver_services,
    e.valid_to <= run.now as expired
from named e
cross join run
left join config_identity requester on requester.identity = lower(e.requested_by)
left join config_identity approver on approver.identity = lower(e.approved_by);

-- Baselines that count: approved by another person than who asked, in a role when it was set.
create or replace table baseline_standing as
select
    b.*,
    case
        when text_of(b.requested_by) is null then 'nobody is named who asked for it'
        when approver.person_id is null or not exists (
            from config_role r where r.person_id = approver.person_id and r.services is null and b.set_at >= r.valid_from and b.set_at < r.valid_to
        ) then 'the approver is neither senior nor manager of all services'
        when coalesce(requester.actor, lower(trimmed(b.requested_by))) = coalesce(approver.actor, lower(trimmed(b.approved_by))) then 'who asked for it approved it'
    end as invalid
from baseline b
left join config_identity requester on requester.identity = lower(trimmed(b.requested_by))
left join config_identity approver on approver.identity = lower(trimmed(b.approved_by));
