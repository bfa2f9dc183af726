-- Which deployment explains which change.

-- The link: an exact candidate settles what identity leaves open; of several at one tier the earliest is taken, of those that
-- somebody vouches for if there are any: what a pipeline says about itself explains nothing better.
-- keeps: link
with
several as (select change_id from candidate_to_judge where denied is null group by change_id having count(*) > 1),
vouched as (
    select deployment_id from deployment d join source_as_configured s using (source) where s.approvals = 'evidence'
),
ranked as (
    select
        *,
        count(*) over (partition by change_id, link_tier) as rivals,
        row_number() over (partition by change_id order by link_tier = 'exact' desc, v.deployment_id is not null desc, started_at, deployment_id) as place
    from candidate_to_judge semi join several using (change_id)
    left join vouched v using (deployment_id)
    where denied is null
)
select change_id, deployment_id, link_tier, link_key, false as ambiguous from candidate_to_judge anti join several using (change_id) where denied is null
union all
select change_id, deployment_id, link_tier, link_key, rivals > 1 from ranked where place = 1;
