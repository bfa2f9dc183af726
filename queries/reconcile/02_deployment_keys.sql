-- What a decision that was told apart may find its deployment by.
create or replace temporary view deployment_key as
select deployment_id, 'deployment' as kind, deployment_id as value from deployment
union all
select deployment_id, 'run', unnest(list_distinct(run_ids)) from deployment
union all
select deployment_id, 'release', release_key from deployment
union all
select deployment_id, 'ticket', unnest(list_distinct(tickets)) from deployment
union all
select deployment_id, 'commit', lower(commit_sha) from deployment where commit_sha is not null
union all
select deployment_id, 'url', url from deployment where url is not null;
