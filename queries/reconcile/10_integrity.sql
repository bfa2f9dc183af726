-- Whether the log is as the system wrote it: what digests vouch for, held against what was found. One row for each fault.
-- A digest proves its log files if it is signed, and the absence of others before it by naming the one before.
-- Whoever may write to a bucket can add a log file: one that no digest names is told, once the digest of the hour after
-- its own is there too. A copy may lie deeper than the bucket did, or leave out what is above.
create or replace temporary table integrity as
with
ordered as (
    select *, lag(digest) over chain as before, lag(hash) over chain as hash_before, lag(signature_text) over chain as signature_before
    from digest
    window chain as (partition by source, stream order by ends_at nulls first, digest)
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
select l.source, l.stream, l.unit, 'medium', 'log file that no digest vouches for', null
from (
    select u.source, c.stream, u.unit
    from (
        select source, unit, try_strptime(regexp_extract(unit, '_CloudTrail_[a-z0-9-]+_(\d{8}T\d{4})Z_[^/]*$', 1), '%Y%m%dT%H%M') as delivered_at,
               regexp_extract(unit, '(\d{12}_CloudTrail_[a-z0-9-]+)_\d{8}T\d{4}Z_[^/]*$', 1) as place
        from unit where source in (select source from digest)
    ) u
    join (
        select source, replace(regexp_extract(digest, '\d{12}_CloudTrail-Digest_[a-z0-9-]+'), '-Digest_', '_') as place,
               min(stream) as stream, min(starts_at) as starts_at, max(ends_at) as ends_at
        from digest where problem is null group by all
    ) c on c.source = u.source and c.place = u.place
    where u.delivered_at >= c.starts_at and u.delivered_at < c.ends_at - interval 1 hour
) l
anti join digest_file f
  on f.source = l.source and last_name(f.file) = last_name(l.unit) and (ends_with(f.file, l.unit) or ends_with(l.unit, f.file));
