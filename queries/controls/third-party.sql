-- title: Third-party systems audited with the same rigour
-- description: A third-party service's source is collected without gaps, and its changes reconcile. What was set aside may have been one.
-- controls: OFQ-00005/third-party
with
sources as (
    select distinct service, unnest(sources) as source from config_scope
),
set_aside as (
    -- what could not be read, as far as it has not been read since; what could not be mapped
    select source from unit_count where quarantined > 0
    union all
    select source from quarantine where stage = 'map'
),
standing as (
    select
        s.service,
        count(src.source) as sources,
        count(src.source) filter (where p.complete_at is null or p.error is not null) as unread,
        count(src.source) filter (where src.source in (select source from unit where incomplete is not null)) as gaps,
        count(src.source) filter (where src.source in (select source from set_aside)) as set_aside,
        (select count(*) from change c where c.service = s.service) as changes,
        (select count(*) from change c where c.service = s.service and c.verdict not in ('released', 'platform', 'exempted')) as unreconciled
    from config_service s
    left join sources src on src.service = s.service
    left join poll p on p.source = src.source
    where s.type = 'third-party'
    group by s.service
)
select
    'service' as subject_kind, service as subject_id, service, '' as environment,
    case
        when unreconciled > 0 then 'fail'
        when sources = 0 or unread > 0 or gaps > 0 or set_aside > 0 then 'no-evidence'
        else 'pass'
    end as result,
    case
        when unreconciled > 0 then 'changes-unreconciled'
        when sources = 0 then 'no-source'
        when unread > 0 then 'source-unread'
        when gaps > 0 then 'source-gap'
        when set_aside > 0 then 'records-set-aside'
        else 'reconciled'
    end as reason
from standing;
