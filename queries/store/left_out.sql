-- Incoming records that are stored already, or that another one of this commit stands for. Where their order counts a record
-- is kept at each place: only what is stored from that very place is left out.
select i.place
from incoming_record i
semi join known_record using (record_id, hash)
anti join (from incoming_unit where in_order) o using (unit)
union
select i.place
from incoming_record i
semi join known_record using (record_id, hash, unit, position)
union
select i.place
from incoming_record i
join repeated_record r using (record_id, hash)
where (r.unit, r.position) <> (i.unit, i.position);
