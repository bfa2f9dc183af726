-- Incoming records that are stored already, or that another one of this commit stands for.
select i.place
from incoming_record i
semi join known_record using (record_id, hash)
union
select i.place
from incoming_record i
join repeated_record r using (record_id, hash)
where (r.unit, r.position) <> (i.unit, i.position);
