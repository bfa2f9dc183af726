-- title: Evidence
-- description: The raw records behind the finding, with their hashes and where they were read.
-- param: finding_id text required  A finding_id
with behind as (
    select c.source, c.record_id, c.raw_hash
    from finding f
    join change c
      on (f.subject_kind = 'case' and c.case_id = f.subject_id and c.service = f.service and c.environment = f.environment)
      or (f.subject_kind = 'deployment' and c.deployment_id = f.subject_id)
    where f.finding_id = $finding_id
    union
    select v.source, v.record_id, v.raw_hash
    from finding f
    join deployment_version v on v.deployment_id = f.subject_id
    where f.finding_id = $finding_id and f.subject_kind = 'deployment'
    union
    select s.source, s.record_id, s.raw_hash
    from finding f
    join stage_version s on lower(s.pipeline) = lower(f.subject_id)
    where f.finding_id = $finding_id and f.subject_kind = 'pipeline'
    union
    select t.source, t.record_id, t.raw_hash
    from finding f
    join told_change t on t.change_id = f.subject_id
    where f.finding_id = $finding_id and f.subject_kind = 'operation'
    union
    select r.source, r.record_id, r.hash
    from finding f
    join told_otherwise t on true
    join raw_record r on r.source = t.source and r.record_id = t.record_id
    where f.finding_id = $finding_id and f.control = 'log-integrity'
      and f.subject_id = r.source || '/' || coalesce(nullif(concat_ws('/', r.record->>'$.recipientAccountId', r.record->>'$.awsRegion'), ''), t.connector)
)
select r.source, r.record_id, r.hash as sha256, r.unit, r.position, r.batch_id, b.committed_at, b.hash as batch_hash, r.record
from behind e
join raw_record r on r.source = e.source and r.record_id = e.record_id and r.hash = e.raw_hash
left join batch b on b.batch_id = r.batch_id
order by r.occurred_at, r.source, r.record_id, r.hash;
