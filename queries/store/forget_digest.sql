delete from digest where source = $source and unit = $unit;
