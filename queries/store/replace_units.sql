delete from unit where source = $source and unit in (select unit from incoming_unit);
