-- Which service and environment a change belongs to: the scope with the most keys, then the first. Many changes are made
-- in few places, so it is asked once for each place; only where a scope names resources, each change is looked at too.
create or replace temporary table place_scope as
with place as (
    select distinct source, account, region, subscription, resource_group from to_judge
)
select
    p.*,
    list(
        {service: s.service, environment: s.environment, resources: s.resources, objects: s.objects}
        order by (s.aws_accounts is not null)::int + (s.aws_regions is not null)::int + (s.resources is not null)::int
            + (s.azure_subscriptions is not null)::int + (s.azure_resource_groups is not null)::int
            + (s.sources is not null)::int + (s.objects is not null)::int desc, s.position
    ) as scopes
from place p
join config_scope s
  on (s.aws_accounts is null or list_contains(s.aws_accounts, p.account))
 and (s.aws_regions is null or list_contains(s.aws_regions, p.region))
 and (s.azure_subscriptions is null or list_contains([lower(x) for x in s.azure_subscriptions], lower(p.subscription)))
 and (s.azure_resource_groups is null or list_contains([lower(x) for x in s.azure_resource_groups], lower(p.resource_group)))
 and (s.sources is null or list_contains(s.sources, p.source))
group by all;

-- Where the scopes look at what was touched: a call on several lies in live if one of them does, and nowhere if one of them does.
create or replace temporary view resource_scope as
with touched_scope as (
    select
        e.change_id,
        list_transform(list_prepend(e.resource, coalesce(e.further_resources, [])), lambda r:
            list_filter(p.scopes, lambda s:
                -- ids of Azure are kept in lower case, whatever the pattern says
                (s.resources is null or len(list_filter(s.resources, lambda g: r glob case when e.system = 'azure' then lower(g) else g end)) > 0)
                and (s.objects is null or len(list_filter(s.objects, lambda g: coalesce(e.object, r) glob g)) > 0)
            )[1]
        ) as scopes
    from to_judge e
    join place_scope p
      on p.source = e.source and p.account is not distinct from e.account and p.region is not distinct from e.region
     and p.subscription is not distinct from e.subscription and p.resource_group is not distinct from e.resource_group
    where p.scopes[1].resources is not null or p.scopes[1].objects is not null
)
select
    change_id,
    coalesce(
        list_filter(scopes, lambda s: s.environment = 'live')[1],
        case when len(list_filter(scopes, lambda s: s is null)) = 0 then scopes[1] end
    ) as scope
from touched_scope;

-- Each change with where it belongs, and the actor that counts: the initiator of its operation, else its own.
-- keeps: attributed
with shown as (
    select
        e.change_id, e.outcome,
        coalesce(i.operation_started_at, e.occurred_at) as held_at,      -- the time that a release's window must hold
        case when p.scopes[1].resources is null and p.scopes[1].objects is null then p.scopes[1] else r.scope end as scope,
        e.appearance_id as own_appearance_id,
        -- where it may have been one of several it is put to none of them
        case when i.other_initiators is null then coalesce(i.initiator_id, e.appearance_id) else e.appearance_id end as appearance_id,
        case
            when i.other_initiators is not null then 'several-initiators'
            when e.on_behalf_of = 'initiator' and i.change_id is null and own.actor_kind <> 'person' then 'initiator-unseen'
        end as open_question,
        e.run_ids
    from to_judge e
    join actor own using (appearance_id)
    left join place_scope p
      on p.source = e.source and p.account is not distinct from e.account and p.region is not distinct from e.region
     and p.subscription is not distinct from e.subscription and p.resource_group is not distinct from e.resource_group
    left join resource_scope r using (change_id)
    left join initiated i using (change_id)
)
select
    t.change_id, t.outcome, t.held_at, coalesce(t.scope.service, '') as service, coalesce(t.scope.environment, '') as environment,
    t.appearance_id, t.own_appearance_id,
    -- where more than one may have started it, or nobody saw who did, the role says nothing of who it was
    case when open_question is not null then 'unknown' else a.actor_kind end as actor_kind,
    case open_question when 'several-initiators' then '' when 'initiator-unseen' then lower(coalesce(a.actor_role, a.actor_name, '')) else a.actor end as actor,
    case when open_question is not null then 'claimed' else a.actor_basis end as actor_basis,
    coalesce(open_question, a.actor_reason) as actor_reason,
    -- run ids that the provider vouches for: of the sessions, and of the change itself
    case when len(t.run_ids) > 0 then list_concat(a.proven_run_ids, [lower(x) for x in t.run_ids]) else a.proven_run_ids end as proven_run_ids
from shown t
join actor a on a.appearance_id = t.appearance_id;
