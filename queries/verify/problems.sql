-- title: What was edited after it was stored
-- description: Records whose text is not the one that was hashed, batches whose hash is not that of their records, and links
-- of the chain that do not fit. Needs `recomputed`. One row for each edit found, in the order of the chain.
with
linked as (
    select *, lag(hash, 1, repeat('0', 64)) over (order by batch_id) as hash_before, lag(batch_id, 1, 0) over (order by batch_id) as batch_before
    from batch
),
edited as (
    select batch_id, source, 'record ' || record_id || ' in ' || unit as subject, 'its text is not the one that was stored' as problem
    from raw_record
    where sha256(record) <> hash
    union all
    select batch_id, source, 'what was set aside at ' || position || ' of ' || unit, 'its text is not the one that was stored'
    from quarantine
    where stage = 'read' and sha256(record) <> hash
),
counted as (
    select
        b.batch_id, b.source, 'batch ' || b.batch_id as subject,
        case
            when r.records < b.records then (b.records - r.records) || ' of its ' || b.records || ' records are missing'
            when r.records > b.records then (r.records - b.records) || ' records were added to its ' || b.records
            when r.hash is distinct from b.hash then 'its hash is not that of what is stored: a record''s id, place, hash or time, or the batch''s own row was edited'
        end as problem
    from batch b
    left join recomputed r using (batch_id)
),
chained as (
    select batch_id, source, 'batch ' || batch_id as subject,
           case
               when batch_before + 1 = batch_id - 1 then 'batch ' || (batch_id - 1) || ' before it is missing'
               when batch_before + 1 <> batch_id then 'batches ' || (batch_before + 1) || ' to ' || (batch_id - 1) || ' before it are missing'
               when previous_hash <> hash_before then 'it does not follow on the batch before it'
           end as problem
    from linked
),
stray as (
    select batch_id, source, count(*) || ' records of batch ' || batch_id as subject, 'there is no such batch' as problem
    from (
        select batch_id, source from raw_record
        union all
        select batch_id, source from quarantine where stage = 'read'
    )
    where batch_id not in (select batch_id from batch)
    group by batch_id, source
)
select source, subject, problem
from (from edited union all by name from counted union all by name from chained union all by name from stray)
where problem is not null
order by batch_id, subject, problem;
