-- Which service and environment each change belongs to: the scope with the most keys, then the first.
create or replace table change_scope as
with
place as (
    select distinct source, account, region, subscription, resource_group from told_change
),
fitting as (
    -- scopes whose keys of place all match; keys that look at the resource itself are looked at below
    select
        p.*, s.position, s.service, s.environment, s.resources, s.objects,
        (s.aws_accounts is not null)::int + (s.aws_regions is not null)::int + (s.resources is not null)::int
            + (s.azure_subscriptions is not null)::int + (s.azure_resource_groups is not null)::int
            + (s.sources is not null)::int + (s.objects is not null)::int as keys
    from place p
    join config_scope s
      on (s.aws_accounts is null or list_contains(s.aws_accounts, p.account))
     and (s.aws_regions is null or list_contains(s.aws_regions, p.region))
     and (s.azure_subscriptions is null or list_contains([lower(x) for x in s.azure_subscriptions], lower(p.subscription)))
     and (s.azure_resource_groups is null or list_contains([lower(x) for x in s.azure_resource_groups], lower(p.resource_group)))
     and (s.sources is null or list_contains(s.sources, p.source))
)
select
    e.change_id,
    coalesce(arg_max(f.service, (f.keys, -f.position)), '') as service,
    coalesce(arg_max(f.environment, (f.keys, -f.position)), '') as environment
-- ids of Azure are kept in lower case, whatever the pattern says
from told_change e
left join fitting f
  on f.source = e.source and f.account is not distinct from e.account and f.region is not distinct from e.region
 and f.subscription is not distinct from e.subscription and f.resource_group is not distinct from e.resource_group
 and (f.resources is null or len(list_filter(f.resources, lambda g: e.resource glob case when e.system = 'azure' then lower(g) else g end)) > 0)
 and (f.objects is null or len(list_filter(f.objects, lambda g: coalesce(e.object, e.resource) glob g)) > 0)
group by e.change_id;
