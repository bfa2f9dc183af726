-- Incoming records that are stored already, or that another one of this commit stands for.
select i.place
from incoming_record i
where exists (from known_record k where k.record_id = i.record_id and k.hash = i.hash)
   or exists (
      from repeated_record r
      where r.record_id = i.record_id and r.hash = i.hash and (r.unit, r.position) <> (i.unit, i.position)
  );
