-- Of the records that are pushed, those that judging would set aside, each with the reason. An approval of a chain of events
-- may come before the deployment that it lets in, which names it then: nothing else may be wrong with it.
select try_cast(position as bigint) as position, min(error) as error
from quarantine
where stage = 'map'
  and not (
      regexp_matches(coalesce(record->>'$.data.context.type', record->>'$.context.type', ''), '^dev\.cdevents\.approval\.updated\.')
      and coalesce(record->>'$.data.context.chainId', record->>'$.context.chainId') is not null
      and starts_with(error, 'the approval names no ')
  )
group by position
order by position;
