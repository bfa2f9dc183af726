delete from digest_file where source = $source and unit = $unit;
