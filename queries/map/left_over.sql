-- Records of which the mapping made nothing, in no relation. By their ids alone: the records are many and wide.
create or replace temporary table left_over as
with told as (
    select record_id from event where source = $source and batch_id > $after_batch
    union all
    select record_id from session where source = $source and batch_id > $after_batch
    union all
    select record_id from deployment_version where source = $source
    union all
    select record_id from stage_version where source = $source
    union all
    select record_id from approval_version where source = $source
    union all
    select record_id from managed_version where source = $source
    union all
    select record_id from membership_told where source = $source
)
select record_id from (select record_id from raw) anti join told using (record_id);
