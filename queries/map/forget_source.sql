-- A source is mapped from the beginning: nothing that an earlier mapping made of it stays.
delete from event where source = $source;
delete from session where source = $source;
delete from deployment_version where source = $source;
delete from stage_version where source = $source;
delete from managed_version where source = $source;
delete from membership_told where source = $source;
delete from approval_version where source = $source;
delete from told_otherwise where source = $source;
delete from quarantine where source = $source and stage = 'map';
