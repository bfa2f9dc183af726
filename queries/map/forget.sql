-- Whatever an earlier content of these records meant is replaced by what they mean now.
delete from event where source = $source and record_id in (from retold);
delete from session where source = $source and record_id in (from retold);
delete from deployment_version where source = $source and record_id in (from retold);
delete from stage_version where source = $source and record_id in (from retold);
delete from managed_version where source = $source and record_id in (from retold);
delete from membership_told where source = $source and record_id in (from retold);
delete from approval_version where source = $source and record_id in (from retold);
delete from quarantine where source = $source and stage = 'map' and (unit, position) in (
    select unit, position::varchar from raw
    union all
    select unit, position::varchar from raw_record where source = $source and record_id in (from retold)
);
