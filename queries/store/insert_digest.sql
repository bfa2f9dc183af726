-- What a digest says and what was found of it; checked again, it is the same row.
insert into digest
select $source, $unit, p.stream, p.key, make_utc(p.starts_at), make_utc(p.ends_at), p.hash, p.signature, p.signature_text,
       p.previous_key, p.previous_hash, p.previous_signature, p.problem, $now
from (
    select from_json($proof, '{"stream": "VARCHAR", "key": "VARCHAR", "starts_at": "VARCHAR", "ends_at": "VARCHAR", "hash": "VARCHAR",
        "signature": "VARCHAR", "signature_text": "VARCHAR", "previous_key": "VARCHAR", "previous_hash": "VARCHAR",
        "previous_signature": "VARCHAR", "problem": "VARCHAR"}') as p
);
