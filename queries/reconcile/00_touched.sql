-- What is mapped, or forgotten, in this run: filled by the mapping.

-- Changes of which a record tells.
create or replace temporary table touched (change_id varchar);

-- Ways in which actors show themselves.
create or replace temporary table appearance_touched (appearance_id uhugeint);

-- Sign-ins, by what leads to them.
create or replace temporary table session_touched (system varchar, issued_key varchar, shared_key varchar, credential varchar);

-- Deployments of which a record tells.
create or replace temporary table deployment_touched (deployment_id varchar);

-- Decisions that were told apart from the deployment, with the one key by which that is found.
create or replace temporary view decision as
select
    *,
    case
        when deployment_id is not null then 'deployment' when run_id is not null then 'run' when release_id is not null then 'release'
        when ticket is not null then 'ticket' when commit_sha is not null then 'commit' else 'url'
    end as kind,
    coalesce(deployment_id, lower(run_id), lower(release_id), lower(ticket), lower(commit_sha), url) as value
from approval_version;

create or replace temporary table decision_touched (kind varchar, value varchar);
