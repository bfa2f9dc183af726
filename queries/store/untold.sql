-- Units that cannot be read to their end, and of which nobody has been told yet.
select unit, incomplete from unit where source = $source and untold order by unit;
