insert into unit_count select $source, unit, day, kept, duplicates, reads, quarantined from counted;
