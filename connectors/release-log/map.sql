-- What release records mean (design: release records), and what CDEvents do. Sees raw(source, record_id, occurred_at, unit,
-- position, record), of each run all records at once.
--
-- A job records itself when it starts and again when it is done: an end that names no start began when the first record of
-- the same id says. CDEvents tell of a run and of what it deployed in events of their own, held together by `chainId`.

-- What was dropped into a bucket is believed of its own pipeline only: its ids are that pipeline's, whatever they are, and
-- which service it releases the catalogue says.

-- together
select
    record_id,
    case
        when t.schema is not null then t.pipeline || ':' || t.id
        else coalesce(t.data.context.chainId, t.context.chainId)
    end as key
from (
    select record_id, unnest([from_json(record, '{
        "schema": "VARCHAR", "id": "VARCHAR", "pipeline": "VARCHAR",
        "context": {"chainId": "VARCHAR"}, "data": {"context": {"chainId": "VARCHAR"}}
    }')]) as t
    from raw
);

-- emits: deployment
with
place as (
    select count(*) > 0 as dropped from setting where key in ('bucket', 'container')
),
r as (
    select record_id, from_json(record, '{
        "schema": "VARCHAR", "id": "VARCHAR", "release_id": "VARCHAR", "pipeline": "VARCHAR", "service": "VARCHAR",
        "version": "VARCHAR", "commit": "VARCHAR", "artifact_digest": "JSON", "steps_digest": "VARCHAR",
        "stage": "VARCHAR", "environment": "VARCHAR", "trigger": "VARCHAR", "requested_by": "VARCHAR",
        "started_at": "VARCHAR", "finished_at": "VARCHAR", "outcome": "VARCHAR", "bypassed": "VARCHAR",
        "recorded_at": "VARCHAR", "url": "VARCHAR", "authors": "JSON", "approvals": "JSON",
        "keys": {"run_ids": "JSON", "aws_session_names": "JSON", "azure_correlation_ids": "JSON",
                 "azure_app_ids": "JSON", "aws_roles": "JSON", "oidc_subjects": "JSON", "tickets": "JSON", "items": "JSON"}
    }') as t,
        -- says so, rather than nothing
        coalesce(json_type(record, '$.started_at') = 'NULL', false) as never_started,
        json_type(record, '$.keys') as keys_type, json_type(record, '$.approvals') as approvals_type,
        list_filter(
            ['release_id', 'service', 'version', 'commit', 'steps_digest', 'stage', 'environment', 'trigger', 'requested_by'],
            lambda key: json_type(record, '$.' || key) in ('ARRAY', 'OBJECT')
        )[1] as no_text
    from raw
    where (record->>'$.schema') like 'changetrail.deployment/%'
),
first as (
    select t.pipeline as pipeline, t.id as id, min(clock_time(t.started_at)) as started_at from r group by t.pipeline, t.id
),
listed as (
    -- one value may stand where a list is meant
    select
        r.*, coalesce(clock_time(t.started_at), case when not never_started then first.started_at end) as started_at,
        from_json(case when json_type(t.approvals) = 'OBJECT' then '[' || t.approvals::varchar || ']' else t.approvals end, '[{
            "phase": "VARCHAR", "decision": "VARCHAR", "approver": "VARCHAR", "decided_at": "VARCHAR", "automated": "VARCHAR", "gated": "VARCHAR", "comment": "VARCHAR"
        }]') as approvals,
        json_texts(t.keys.run_ids) as run_ids
    from r
    left join first on first.id = r.t.id and first.pipeline = r.t.pipeline
),
decided as (
    -- Whoever takes a decision back, or calls it off, has not signed off. A decision that is told by its day alone has no time
    -- where that may be before the start or after it. A refusal without a time takes back what stands before it, as if the
    -- stage had waited for it: in doubt it was in time.
    select *, list_transform(
        list_transform(approvals, lambda a: {
            'a': a, 'refuses': decision_of(a.decision) in ('rejected', 'withdrawn', 'cancelled'),
            'decided_at': clock_time(a.decided_at), 'day': make_utc(a.decided_at), 'start': date_trunc('day', started_at)
        }),
        lambda d: {
            'phase': d.a.phase, 'decision': case when d.refuses then 'rejected' else d.a.decision end, 'approver': d.a.approver,
            'decided_at': coalesce(d.decided_at, case when d.day > d.start or (d.day < d.start and not d.refuses) then d.day end),
            'automated': try_cast(d.a.automated as boolean),
            'gated': try_cast(d.a.gated as boolean) or (d.refuses and d.decided_at is null and coalesce(d.day <= d.start, true)),
            'comment': d.a.comment
        }
    ) as decisions
    from listed
),
event as (
    -- as it stands, or in a CloudEvent's envelope
    select record_id, from_json(coalesce(json_extract(record, '$.data'), record), '{
        "context": {"id": "VARCHAR", "source": "VARCHAR", "type": "VARCHAR", "timestamp": "VARCHAR", "chainId": "VARCHAR"},
        "subject": {"id": "VARCHAR", "source": "VARCHAR", "content": {"environment": {"id": "VARCHAR"}, "artifactId": "VARCHAR", "pipelineName": "VARCHAR", "uri": "VARCHAR", "url": "VARCHAR"}},
        "customData": {"changetrail": {"release_id": "VARCHAR", "pipeline": "VARCHAR", "service": "VARCHAR", "version": "VARCHAR", "commit": "VARCHAR", "requested_by": "VARCHAR",
            "started_at": "VARCHAR", "trigger": "VARCHAR", "keys": {"run_ids": ["VARCHAR"], "aws_session_names": ["VARCHAR"], "azure_correlation_ids": ["VARCHAR"], "tickets": ["VARCHAR"]}}}
    }') as t
    from raw
    where (record->>'$.schema') is null
),
happened as (
    select record_id, t, clock_time(t.context.timestamp) as happened_at from event
),
run as (
    select t.context.chainId as chain, happened_at as started_at, any_value(t.subject.id order by record_id) as run_id,
           any_value(t.subject.content.pipelineName order by record_id) as pipeline,
           any_value(coalesce(t.subject.content.uri, t.subject.content.url) order by record_id) as url
    from happened where t.context.type like 'dev.cdevents.pipelinerun.started.%' and t.context.chainId is not null and happened_at is not null
    group by all
),
deployed as (
    select *, t.customData.changetrail as own from happened
    where regexp_matches(t.context.type, '^dev\.cdevents\.service\.(deployed|upgraded|rolledback)\.')
),
told as (
    select
        d.record_id,
        'cdevents:' || d.t.context.source || ':' || d.t.context.id as deployment_id,
        coalesce(own.release_id, d.t.context.chainId, d.t.subject.content.artifactId) as release_id,
        coalesce(own.pipeline, r.pipeline, d.t.subject.id) as pipeline,
        coalesce(own.service, d.t.subject.id) as service,
        coalesce(own.version, nullif(regexp_extract(d.t.subject.content.artifactId, '@([^?#]+)', 1), '')) as version,
        own.commit as commit_sha,
        nullif(replace(regexp_extract(d.t.subject.content.artifactId, 'sha256(?:%3A|:)[0-9a-fA-F]{64}'), '%3A', ':'), '') as artifact_digest,
        d.t.subject.content.environment.id as stage,
        case when d.t.context.type like '%.rolledback.%' then 'rollback' else own.trigger end as trigger,
        own.requested_by,
        -- after its run had begun, the stage before was done and the gate had opened
        coalesce(clock_time(own.started_at), case when r.started_at is not null then greatest(r.started_at, (
            select max(p.happened_at) from happened p
            where p.t.context.chainId = d.t.context.chainId and p.record_id <> d.record_id
              and regexp_matches(p.t.context.type, '^dev\.cdevents\.(service\.(deployed|upgraded|rolledback)|approval\.(updated|closed))\.')
              and p.happened_at < d.happened_at
        )) end) as started_at,
        d.happened_at as finished_at,
        d.happened_at as recorded_at,
        'succeeded' as outcome,
        list_concat(coalesce(own.keys.run_ids, []), case when r.run_id is not null then [r.run_id] else [] end) as run_ids,
        own.keys.aws_session_names as session_names, own.keys.azure_correlation_ids as correlation_ids, own.keys.tickets as tickets,
        coalesce(r.url, d.t.subject.content.uri) as url,
        coalesce(
            case when text_of(d.t.context.timestamp) is null then 'the event has no timestamp' end,
            not_a_clock_time('timestamp', d.t.context.timestamp), not_a_clock_time('customData.changetrail.started_at', own.started_at)
        ) as problem
    from deployed d
    -- a chain may have several runs, one after the other: it was the latest that had begun by then
    asof left join run r on r.chain = d.t.context.chainId and d.happened_at >= r.started_at
)
select
    record_id, case when dropped then t.pipeline || ':' || t.id else t.id end as deployment_id, clock_time(t.recorded_at) as recorded_at, t.release_id, t.pipeline,
    case when not dropped then t.service end as service, t.version, t.commit as commit_sha,
    array_to_string(list_sort(json_texts(t.artifact_digest)), ' ') as artifact_digest, t.steps_digest, coalesce(text_of(t.stage), t.environment) as stage, t.environment, t.trigger, t.requested_by,
    d.started_at,
    clock_time(t.finished_at) as finished_at,
    coalesce(o.outcome, t.outcome) as outcome,
    try_cast(t.bypassed as boolean) as bypassed,
    decisions as approvals,
    run_ids,
    -- CodeBuild calls a run project:uuid, and names the session of the run after the uuid
    list_concat(coalesce(json_texts(t.keys.aws_session_names), []), [
        'AWSCodeBuild-' || split_part(x, ':', 2) for x in run_ids if regexp_matches(x, '^[^:]+:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$')
    ]) as session_names,
    json_texts(t.keys.azure_correlation_ids) as correlation_ids,
    json_texts(t.keys.azure_app_ids) as app_ids,
    json_texts(t.keys.aws_roles) as roles,
    json_texts(t.keys.oidc_subjects) as subjects,
    json_texts(t.keys.items) as items,
    json_texts(t.keys.tickets) as tickets,
    json_texts(t.authors) as authors,
    t.url,
    -- without its time a release that ran would explain nothing, and one that ended would go on explaining; what is said of its
    -- authorisation and cannot be read must not count for it; and a correction may not lose without a word
    coalesce(
        not_a_clock_time('started_at', t.started_at), not_a_clock_time('finished_at', t.finished_at), not_a_clock_time('recorded_at', t.recorded_at),
        not_a_flag('bypassed', t.bypassed),
        no_text || ' is several things where one is meant: write a record for each',
        case when keys_type not in ('OBJECT', 'NULL') then 'keys is no object; one is {"run_ids": ["7001"]}' end,
        case when approvals_type not in ('ARRAY', 'OBJECT', 'NULL') and text_of(t.approvals->>'$') is not null then 'approvals is no list of approvals' end,
        list_filter(list_transform(d.approvals, lambda a: coalesce(
            not_a_time('decided_at of an approval', a.decided_at), not_a_flag('automated of an approval', a.automated),
            not_a_flag('gated of an approval', a.gated)
        )), lambda said: said is not null)[1]
    ) as problem
from decided d
cross join place
left join outcomes o on o.said = word_of(t.outcome)
union all by name
from told;

-- emits: approval
with
r as (
    select record_id, from_json(record, '{
        "schema": "VARCHAR", "deployment": "VARCHAR", "release_id": "VARCHAR", "pipeline": "VARCHAR", "stage": "VARCHAR", "run_id": "VARCHAR",
        "ticket": "VARCHAR", "phase": "VARCHAR", "decision": "VARCHAR", "approver": "VARCHAR", "decided_at": "VARCHAR", "automated": "VARCHAR",
        "gated": "VARCHAR", "for_commit": "VARCHAR", "comment": "VARCHAR"
    }') as t
    from raw
    where (record->>'$.schema') like 'changetrail.approval/%'
),
event as (
    select record_id, from_json(coalesce(json_extract(record, '$.data'), record), '{
        "context": {"id": "VARCHAR", "source": "VARCHAR", "type": "VARCHAR", "timestamp": "VARCHAR", "chainId": "VARCHAR"},
        "subject": {"id": "VARCHAR", "content": {"resourceTargetUrl": "VARCHAR", "responder": "VARCHAR", "decision": "VARCHAR"}}
    }') as t
    from raw
    where (record->>'$.schema') is null
),
happened as (
    select record_id, t, clock_time(t.context.timestamp) as happened_at from event
),
decided as (
    select
        e.record_id, t.subject.content.decision as decision, happened_at as decided_at,
        regexp_replace(t.subject.content.responder, '^urn:([^:]+:)*', '') as approver,
        t.subject.content.resourceTargetUrl as url, not_a_clock_time('timestamp', t.context.timestamp) as problem,
        -- of a chain the deployment that followed
        (
            select arg_min('cdevents:' || d.t.context.source || ':' || d.t.context.id, d.happened_at) from happened d
            where d.t.context.chainId = e.t.context.chainId and regexp_matches(d.t.context.type, '^dev\.cdevents\.service\.(deployed|upgraded|rolledback)\.')
              and d.happened_at >= e.happened_at
        ) as deployment_id
    from happened e
    where t.context.type like 'dev.cdevents.approval.updated.%'
),
told as (
    select
        record_id, t.deployment as deployment_id, t.release_id, t.pipeline, t.stage, t.run_id, t.ticket, null as url, t.phase, t.decision, t.approver,
        clock_time(t.decided_at) as decided_at, try_cast(t.automated as boolean) as automated, try_cast(t.gated as boolean) as gated, t.for_commit, t.comment,
        -- when what it is about starts, is not known here: by its day alone it could be before or after
        coalesce(not_a_clock_time('decided_at', t.decided_at), not_a_flag('automated', t.automated), not_a_flag('gated', t.gated)) as problem
    from r
    union all by name
    select record_id, deployment_id, case when deployment_id is null then url end as url, 'pre' as phase, decision, approver, decided_at, problem
    from decided
)
-- as with the decisions that stand in their deployment's record
select * exclude (refuses) replace (
    case when refuses then 'rejected' else decision end as decision,
    gated or (refuses and decided_at is null) as gated
)
from (select *, decision_of(decision) in ('rejected', 'withdrawn', 'cancelled') as refuses from told);

-- emits: pipeline_stage
with
r as (
    select record_id, from_json(record, '{
        "schema": "VARCHAR", "pipeline": "VARCHAR", "service": "VARCHAR", "revision": "VARCHAR", "changed_by": "VARCHAR", "changed_at": "VARCHAR",
        "stages": [{"name": "VARCHAR", "environment": "VARCHAR", "order": "VARCHAR", "trigger": "VARCHAR", "approvals_required": "VARCHAR",
                    "approvers": "JSON", "requester_can_approve": "VARCHAR", "can_bypass": "VARCHAR"}]
    }') as t
    from raw
    where (record->>'$.schema') like 'changetrail.pipeline/%'
),
-- what cannot be read of one stage is wrong with the whole definition
judged as (
    select
        record_id, t,
        coalesce(not_a_time('changed_at', t.changed_at), list_filter(list_transform(t.stages, lambda s: coalesce(
            not_a_number('order of a stage', s.order), not_a_number('approvals_required of a stage', s.approvals_required),
            not_a_flag('requester_can_approve of a stage', s.requester_can_approve), not_a_flag('can_bypass of a stage', s.can_bypass)
        )), lambda said: said is not null)[1]) as problem
    from r
),
stages as (select record_id, t, problem, unnest(t.stages) as s from judged)
select
    record_id,
    t.pipeline,
    case when not exists (from setting where key in ('bucket', 'container')) then t.service end as service,
    t.revision,
    t.changed_by,
    make_utc(t.changed_at) as changed_at,
    s.name as stage,
    s.environment,
    try_cast(s.order as bigint) as stage_order,
    s.trigger,
    try_cast(s.approvals_required as bigint) as approvals_required,
    json_texts(s.approvers) as approvers,
    try_cast(s.requester_can_approve as boolean) as requester_can_approve,
    try_cast(s.can_bypass as boolean) as can_bypass,
    problem
from stages;

-- emits: change
-- What CDEvents tell besides is kept as evidence.
with event as (
    select record_id, occurred_at, from_json(coalesce(json_extract(record, '$.data'), record), '{"context": {"type": "VARCHAR", "source": "VARCHAR", "timestamp": "VARCHAR"}, "subject": {"id": "VARCHAR"}}') as t
    from raw
    where (record->>'$.schema') is null
)
select
    record_id, coalesce(make_utc(t.context.timestamp), occurred_at) as occurred_at, 'service' as actor_type, t.context.source as actor_name,
    regexp_replace(t.context.type, '\.\d+\.\d+\.\d+.*$', '') as action, 'evidence' as category, 'cdevents:' || t.subject.id as resource
from event
where not regexp_matches(t.context.type, '^dev\.cdevents\.(service\.(deployed|upgraded|rolledback)|approval\.updated)\.');
