-- Faults of logs against the systems' own digests, as they were last checked.
select source, subject, concat_ws(': ', fault, detail) as problem from integrity order by source, stream, subject, problem;
