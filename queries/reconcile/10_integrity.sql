-- Whether the log is as the system wrote it: what digests vouch for, held against what was found. One row for each fault.
-- A digest proves its log files if it is signed, and the absence of others before it by naming the one before.
-- Nobody but the system tells an event again, so one that is told in two ways is told by somebody else as well.
-- Whoever may write to a bucket can add a log file: one that no digest names is told, once the digest of the hour after
-- its own is there too. Where digests end (or there are none) and log files go on for hours, somebody took the digests
-- away or switched validation off: they come each hour, and for an hour without events too. A copy may lie deeper than the bucket did, or leave out what is above.
create or replace temporary table integrity as
with
ordered as (
    select *, lag(digest) over chain as before, lag(hash) over chain as hash_before, lag(signature_text) over chain as signature_before
    from digest
    window chain as (partition by source, stream order by ends_at nulls first, digest)
),
chain as (
    select source, replace(regexp_extract(digest, '\d{12}_CloudTrail-Digest_[a-z0-9-]+'), '-Digest_', '_') as place,
           min(stream) as stream, min(starts_at) as starts_at, max(ends_at) as ends_at, arg_max(digest, ends_at) as last_digest
    from digest where problem is null group by all
),
log_file as (
    select source, unit, try_strptime(regexp_extract(unit, '_CloudTrail_[a-z0-9-]+_(\d{8}T\d{4})Z_[^/]*$', 1), '%Y%m%dT%H%M') as delivered_at,
           regexp_extract(unit, '(\d{12}_CloudTrail_[a-z0-9-]+)_\d{8}T\d{4}Z_[^/]*$', 1) as place
    from unit
    join (select source, max(checked_at) as checked_at from digest group by all) using (source)
    where delivered_at <= checked_at
)
select source, stream, digest as subject, 'high' as severity, 'digest cannot be used' as fault, problem as detail from ordered where problem is not null
union all
select source, stream, digest, 'high', 'digest not signed by CloudTrail', null from ordered where signature = 'bad'
union all
-- proves nothing, and accuses nobody
select source, stream, digest, 'medium', 'digest signed with a key that is not known', null from ordered where signature = 'no-key'
union all
-- the first that was checked has nothing to be held against
select source, stream, previous, 'high', 'digest missing', null from ordered where previous <> before
union all
select source, stream, digest, 'medium', 'chain of digests begins anew: logging or validation was switched off before it', null
from ordered where previous is null and before is not null and problem is null
union all
select source, stream, before, 'high', 'digest altered', null
from ordered where previous = before and (previous_hash <> hash_before or previous_signature <> signature_before)
union all
select f.source, d.stream, f.file, 'high', case when f.found is null then 'log file missing' else 'log file altered' end,
       case when f.found not similar to '[0-9a-f]{64}' then f.found end
from digest_file f
join digest d using (source, unit)
where f.found is distinct from f.expected
union all
select l.source, c.stream, l.unit, 'medium', 'log file that no digest vouches for', null
from log_file l
join chain c on c.source = l.source and c.place = l.place and l.delivered_at >= c.starts_at and l.delivered_at < c.ends_at - interval 1 hour
anti join digest_file f
  on f.source = l.source and last_name(f.file) = last_name(l.unit) and (ends_with(f.file, l.unit) or ends_with(l.unit, f.file))
union all
select l.source, coalesce(any_value(c.stream), l.place), coalesce(any_value(c.last_digest), l.place), 'medium',
       case when any_value(c.place) is null then 'no digest, but log files' else 'no later digest, but later log files' end,
       'the last of ' || format('{:,}', count(*)) || ' was delivered at ' || strftime(max(l.delivered_at), '%Y-%m-%dT%H:%M:%SZ')
from log_file l
left join chain c on c.source = l.source and c.place = l.place
where c.place is null or l.delivered_at > c.ends_at
group by l.source, l.place
having any_value(c.place) is null or max(l.delivered_at) >= any_value(c.ends_at) + interval 3 hours
union all
-- each log tells an event once; CloudTrail corrects one with a record that says so
select t.source, coalesce(nullif(concat_ws('/', r.record->>'$.recipientAccountId', r.record->>'$.awsRegion'), ''), t.connector) as place, t.record_id,
       'high', 'event told in two ways: the last that was read counts', null
from told_otherwise t
join raw_record r on r.source = t.source and r.record_id = t.record_id
group by t.source, place, t.record_id
having count(case when t.connector = 'aws-cloudtrail' then r.record->>'$.addendum.reason' end) = 0;
