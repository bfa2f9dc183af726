delete from unit_count where source = $source and unit in (select unit from incoming_unit);
