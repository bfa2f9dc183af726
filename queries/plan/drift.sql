-- title: Drift of a plan
-- description: Each attribute of a Terraform plan that reality differs in, and who changed it, or up to when nobody was seen.
-- param: plan text required  The output of `terraform show -json PLAN`
with
resource as (
    select unnest(from_json(
        case when json_array_length($plan::json, '$.resource_drift') > 0 then json_extract($plan::json, '$.resource_drift') else '[]' end,
        '[{"address": "VARCHAR", "type": "VARCHAR", "change": {"actions": ["VARCHAR"], "before": "JSON", "after": "JSON"}}]'
    )) as r
),
attribute as (
    -- names only: values may be secrets
    select r.address as address, r.type as type, lower(r.change.before->>'$.arn') as arn, lower(r.change.before->>'$.id') as id,
           unnest(case
               when list_contains(r.change.actions, 'delete') then ['(the resource)']
               else list_filter(list_distinct(list_concat(coalesce(json_keys(r.change.before), []), coalesce(json_keys(r.change.after), []))),
                                lambda k: json_extract(r.change.before, '/' || k) is distinct from json_extract(r.change.after, '/' || k))
           end) as attribute,
           list_contains(r.change.actions, 'delete') as deleted
    from resource
),
touched as (
    select a.address, a.attribute, c.*, e.diffs,
           -- a change that names the attribute, or does what the attribute is about, before one that only touched the resource
           coalesce(contains(lower(replace(e.diffs, '_', '')), '"' || lower(replace(a.attribute, '_', '')) || '"'), false)
               or contains(lower(replace(c.action, '_', '')), lower(rtrim(replace(a.attribute, '_', ''), 's'))) as named
    from attribute a
    join change c on lower(c.resource) in (a.arn, a.id)
        or (regexp_matches(a.id, '^[a-z]+-[0-9a-f]{8,}$') and list_last(regexp_split_to_array(lower(c.resource), '[/:]')) = a.id)
    left join (select source, record_id, any_value(diffs) as diffs from event group by all) e on e.source = c.source and e.record_id = c.record_id
    where a.deleted = (c.operation = 'delete') or not a.deleted
),
culprit as (
    -- a release brings reality and state together: what nobody released comes first
    select * from touched
    qualify row_number() over (partition by address, attribute order by deployment_id = '' desc, named desc, occurred_at desc, change_id) = 1
),
covered as (
    -- up to when the systems that could tell have been read
    select min(coalesce(p.read_through, p.complete_at)) as through
    from poll p
    where p.source in (select distinct source from event where category = 'change' and (subscription is not null or account is not null))
)
select
    a.address, a.attribute,
    coalesce(c.actor, '') as changed_by, c.occurred_at as changed_at,
    coalesce(c.action || ' (' || c.channel || ')', '') as how,
    coalesce(c.verdict, 'not seen') as verdict,
    case
        when c.change_id is not null and c.named then coalesce(r.sentence, c.reason)
        when c.change_id is not null then 'The latest change of the resource; whether it touched this attribute the record does not say. ' || coalesce(r.sentence, c.reason)
        when v.through is null then 'No change of this resource was seen; no source that could tell was read to its end.'
        else 'No change of this resource was seen; coverage ends at ' || strftime(v.through, '%Y-%m-%dT%H:%M:%SZ') || '.'
    end as because,
    coalesce(c.change_id, '') as change_id
from attribute a
cross join covered v
left join culprit c using (address, attribute)
left join reason r on r.reason = c.reason
order by a.address, a.attribute;
