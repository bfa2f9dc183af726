-- Notes the records that were told in several ways which mean something else: in anything that a verdict rests on, or one is a
-- change or a sign-in that the other is not. What people read beside it (errors, user agents, values before and after) may
-- differ, and so may whatever is made of the record's id, which is another for each content here.
insert into told_otherwise
with
said as (
    select raw_hash as hash, replace({
        'occurred_at': occurred_at, 'system': system, 'key': change_key, 'copy': copy_key,
        'owner': owner, 'corrects': corrects, 'outcome': outcome, 'who': appearance_id, 'edited': channel = 'content-editor', 'action': action, 'operation': operation,
        'resource': resource, 'further': further_resources, 'account': account, 'region': region, 'subscription': subscription,
        'resource_group': resource_group, 'object': object, 'version': version, 'run_ids': run_ids, 'correlation_ids': correlation_ids,
        'starts': starts_operation, 'plan': operation_plan, 'role': operation_role, 'part_of': part_of, 'on_behalf_of': on_behalf_of,
        'ended_at': ended_at
    }::varchar, record_id, '') as meaning
    from meant_event
    where category = 'change'
    union all
    select raw_hash, replace({
        'occurred_at': occurred_at, 'system': system, 'issued_key': issued_key, 'issued_name': issued_name, 'role': role,
        'session_name': session_name, 'caller_type': caller_type, 'caller_name': caller_name, 'caller_role': caller_role,
        'caller_session': caller_session, 'caller_key': caller_key, 'caller_started': caller_started, 'provider': provider,
        'subject': subject, 'run_id': run_id, 'tag_run_id': tag_run_id, 'source_identity': source_identity, 'shared_key': shared_key
    }::varchar, record_id, '')
    from meant_session
    -- what stands in many records is told by the first of them
    where issued_key is not null
),
content as (
    select c.record_id, c.hash, coalesce(list_sort(list(distinct s.meaning) filter (s.meaning is not null)), []) as meaning
    from contradicting c
    left join said s using (hash)
    group by all
)
select $source, $system, record_id
from content
where record_id not in (select record_id from told_otherwise where source = $source)
group by record_id
having count(distinct meaning) > 1;
