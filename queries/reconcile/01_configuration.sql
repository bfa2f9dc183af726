-- The configuration as tables, out of one JSON document: what the rules know of services, people and exceptions.
create or replace table config_standard as
select
    from_json((select configuration from run)->'$.standard', '{"name": "VARCHAR", "skew_s": "BIGINT", "settle_s": "BIGINT", "max_running_s": "BIGINT",
        "operation_window_s": "BIGINT", "manual_means": "VARCHAR"}') as s;
create or replace table config_standard as
select s.name, to_seconds(s.skew_s) as skew, to_seconds(s.settle_s) as settle, to_seconds(s.max_running_s) as max_running,
       to_seconds(s.operation_window_s) as operation_window, s.manual_means
from config_standard;

-- ---------------------------------------------------------------------------------------------------- the standard --
create or replace table standard as
select r.id as standard, r.title as title, r.version as version
from (select from_json((select configuration from run)->'$.requirements', '{"id": "VARCHAR", "title": "VARCHAR", "version": "VARCHAR"}') as r);

-- Its controls, in the order in which reports have them, and how bad a failure of each is, by what it judges.
create or replace table control as
with c as (
    select unnest(from_json((select configuration from run)->'$.requirements.control', '[{"id": "VARCHAR", "title": "VARCHAR", "authorisation": "BOOLEAN",
        "references": ["VARCHAR"], "file": "VARCHAR", "severity": "JSON", "reasons": "JSON"}]')) as c,
        generate_subscripts(from_json((select configuration from run)->'$.requirements.control', '["JSON"]'), 1) as place
)
select c.id as control, place, c.title as title, c.authorisation as authorisation, c."references" as "references", c.file as file,
       c.severity as severity, c.reasons as reasons
from c;
create or replace table control_severity as
select control, key as subject_kind, severity->>key as severity
from (select control, severity, unnest(json_keys(severity)) as key from control);

-- Its sentences.
create or replace table requirement as
with r as (
    select unnest(from_json((select configuration from run)->'$.requirements.requirement', '[{"section": "VARCHAR", "text": "VARCHAR", "controls": ["VARCHAR"],
        "not_checked": "VARCHAR", "service": "VARCHAR"}]')) as r,
        generate_subscripts(from_json((select configuration from run)->'$.requirements.requirement', '["JSON"]'), 1) as place
)
select place, r.section as section, r.text as text, r.controls as controls, r.not_checked as not_checked, r.service as service from r;

-- Where it does not ask a control.
create or replace table config_exception as
select unnest(from_json((select configuration from run)->'$.requirements.exception', '[{"id": "VARCHAR", "service_type": "VARCHAR", "service": "VARCHAR",
    "subject": "VARCHAR", "unless": "VARCHAR", "controls": ["VARCHAR"], "stages": "JSON", "reason": "VARCHAR"}]'), recursive := true);

create or replace table config_source as
select unnest(from_json((select configuration from run)->'$.source', '[{"name": "VARCHAR", "connector": "VARCHAR", "approvals": "VARCHAR", "path": "BOOLEAN"}]'), recursive := true);

-- What they say of themselves is kept for when they are configured no more: whoever renames a source, or reads another in its
-- place, changes nothing of what it told.
delete from source_as_configured where source in (select name from config_source);
insert into source_as_configured select name, connector, approvals from config_source;

-- ------------------------------------------------------------------------------------------------ services, scopes --
create or replace table config_service as
with s as (
    select unnest(from_json((select configuration from run)->'$.service', '[{"name": "VARCHAR", "type": "VARCHAR", "team": "VARCHAR", "pipelines": ["VARCHAR"], "stages": "JSON"}]')) as s,
        generate_subscripts(from_json((select configuration from run)->'$.service', '["JSON"]'), 1) as place
)
select place, s.name as service, s.type as type, s.team as team, s.pipelines as pipelines, s.stages as stages from s;

-- The service's own map of stages, then that of an exception of the standard.
create or replace table config_stage as
with
mapped as (
    select service, stages, unnest(json_keys(stages)) as key, 1 as place from config_service
    union all
    select s.service, x.stages, unnest(json_keys(x.stages)), 2
    from config_exception x
    join config_service s on lower(s.service) = lower(x.service)
)
select service, lower(replace(replace(key, '-', ''), '_', '')) as stage, stages->>key as environment
from mapped
qualify row_number() over (partition by service, lower(replace(replace(key, '-', ''), '_', '')) order by place, key) = 1;

create or replace table config_scope as
select unnest(from_json((select configuration from run)->'$.scope', '[{"position": "BIGINT", "service": "VARCHAR", "environment": "VARCHAR",
    "aws_accounts": ["VARCHAR"], "aws_regions": ["VARCHAR"], "resources": ["VARCHAR"], "azure_subscriptions": ["VARCHAR"],
    "azure_resource_groups": ["VARCHAR"], "sources": ["VARCHAR"], "objects": ["VARCHAR"]}]'), recursive := true);

-- -------------------------------------------------------------------------------------------- machine identities --
create or replace table config_pipeline_identity as
select unnest(from_json((select configuration from run)->'$.pipeline_identity', '[{"position": "BIGINT", "pipeline": "VARCHAR", "environment": "VARCHAR",
    "aws_roles": ["VARCHAR"], "aws_users": ["VARCHAR"], "azure_app_ids": ["VARCHAR"], "oidc_subjects": ["VARCHAR"], "actors": ["VARCHAR"]}]'), recursive := true);

-- One row for each key of an entry; keys compare without case, roles by account and name.
create or replace table config_pipeline_key as
select position, pipeline, environment, 'role' as kind, role_key(trimmed(unnest(aws_roles))) as value from config_pipeline_identity
union all
select position, pipeline, environment, 'user', lower(trimmed(unnest(aws_users))) from config_pipeline_identity
union all
select position, pipeline, environment, 'application', lower(trimmed(unnest(azure_app_ids))) from config_pipeline_identity
union all
select position, pipeline, environment, 'subject', lower(trimmed(unnest(oidc_subjects))) from config_pipeline_identity
union all
select position, pipeline, environment, 'actor', lower(trimmed(unnest(actors))) from config_pipeline_identity;

create or replace table config_automation as
select unnest(from_json((select configuration from run)->'$.automation', '[{"position": "BIGINT", "aws_roles": ["VARCHAR"], "aws_users": ["VARCHAR"],
    "azure_app_ids": ["VARCHAR"], "actors": ["VARCHAR"], "actions": ["VARCHAR"], "reason": "VARCHAR", "approved_by": "VARCHAR",
    "from": "VARCHAR", "to": "VARCHAR"}]'), recursive := true);
create or replace table config_automation_key as
select position, 'role' as kind, role_key(trimmed(unnest(aws_roles))) as value from config_automation
union all
select position, 'user', lower(trimmed(unnest(aws_users))) from config_automation
union all
select position, 'application', lower(trimmed(unnest(azure_app_ids))) from config_automation
union all
select position, 'actor', lower(trimmed(unnest(actors))) from config_automation;

-- ----------------------------------------------------------------------------------------------------- exceptions --
create or replace table config_exemption as
with e as (
    select unnest(from_json((select configuration from run)->'$.exemption', '[{"id": "VARCHAR", "reason": "VARCHAR", "approved_by": "VARCHAR", "requested_by": "VARCHAR",
        "from": "VARCHAR", "to": "VARCHAR", "service": "VARCHAR", "environment": "VARCHAR", "actors": ["VARCHAR"], "verdicts": ["VARCHAR"],
        "deployments": ["VARCHAR"], "controls": ["VARCHAR"]}]')) as e
)
select e.id as exemption_id, e.reason as reason, text_of(e.approved_by) as approved_by, text_of(e.requested_by) as requested_by,
       make_utc(e.from) as valid_from, make_utc(e.to) as valid_to, text_of(e.service) as service, text_of(e.environment) as environment,
       coalesce(e.actors, []) as actors, coalesce(e.verdicts, []) as verdicts, coalesce(e.deployments, []) as deployments, coalesce(e.controls, []) as controls
from e;

create or replace table config_waiver as
with w as (
    select unnest(from_json((select configuration from run)->'$.waiver', '[{"position": "BIGINT", "service": "VARCHAR", "control": "VARCHAR", "reason": "VARCHAR",
        "approved_by": "VARCHAR", "requested_by": "VARCHAR", "from": "VARCHAR", "to": "VARCHAR"}]')) as w
)
select w.position as position, w.service as service, w.control as control, w.reason as reason, text_of(w.approved_by) as approved_by,
       text_of(w.requested_by) as requested_by, make_utc(w.from) as valid_from, make_utc(w.to) as valid_to
from w;
