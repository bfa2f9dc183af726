-- Macros that mappings and rules share. Made for each connection: a newer program brings newer ones.

-- Text to UTC, with and without an offset, t and z in either case; null for what is no time. A plain cast would drop or shift the zone,
-- and take `infinity`, and years so far away that nothing can be added to them. An offset stands after a time of day: the end
-- of a day alone is none.
create or replace temporary macro make_utc(x) as
    case
        when not regexp_matches(x, '^\s*\d{4}\D') then null
        when regexp_matches(x, '(?i)\d[t\s].*(z|[+-]\d{2}(:?\d{2})?)\s*$')
            then make_timestamp(epoch_us(try_cast(upper(regexp_replace(x, '\.(\d{6})\d+', '.\1')) as timestamptz)))
        else try_cast(upper(regexp_replace(x, '\.(\d{6})\d+', '.\1')) as timestamp)
    end;

-- The same where a time of day is needed: a day alone is no moment.
create or replace temporary macro clock_time(x) as case when regexp_matches(x, '(?i)\d[t\s]\s*\d{1,2}:\d{2}') then make_utc(x) end;

-- Whether a time is one at which something can have been recorded: seconds that are read as milliseconds lie in 1970.
create or replace temporary macro can_be(x) as isfinite(x) and x >= timestamp '2000-01-01';

-- How telling the name or pattern in a line of a data table is, the most telling first: a name before a pattern, of patterns
-- the longer one, of two as long the one that says more before its first star; of two that are equal in that always the same.
create or replace temporary macro telling(pattern) as
    [(position('*' in pattern) > 0)::bigint, -length(pattern), -position('*' in pattern), (md5_number_lower(pattern) % 1000000007)::bigint];

-- Text as people write it into records: space around it says nothing, nor how much of it stands between two words, nor what
-- nobody sees; and empty text is none. Else one person could be two.
create or replace temporary macro trimmed(x) as trim(regexp_replace(regexp_replace(x, '\p{Cf}+', '', 'g'), '[\s\p{Z}]+', ' ', 'g'));
create or replace temporary macro text_of(x) as nullif(trimmed(x), '');
create or replace temporary macro texts_of(x) as list_filter(list_transform(x, lambda v: trimmed(v)), lambda v: v <> '');

-- What is wrong with what stands under a key: null where it can be read, or nothing stands there.
create or replace temporary macro not_a_time(key, x) as
    case when text_of(x) is not null and make_utc(x) is null then key || ' is no time: ' || x end;
create or replace temporary macro not_a_clock_time(key, x) as
    coalesce(not_a_time(key, x), case when text_of(x) is not null and clock_time(x) is null then key || ' has no time of day: ' || x end);
create or replace temporary macro not_a_flag(key, x) as
    case when text_of(x) is not null and try_cast(x as boolean) is null then key || ' is neither true nor false: ' || x end;
create or replace temporary macro not_a_number(key, x) as
    case when text_of(x) is not null and try_cast(x as bigint) is null then key || ' is no whole number: ' || x end;

-- A word that systems and people write in several ways, whatever its case and what stands between its parts.
create or replace temporary macro word_of(x) as lower(regexp_replace(x, '[\s\p{Z}\p{Cf}_-]+', '', 'g'));

-- What a decision says, and on what: null for a word that nobody knows. Not to know that one was taken back would excuse.
create or replace temporary macro decision_of(x) as
    case
        when word_of(x) in ('approved', 'approve', 'accepted', 'accept', 'granted', 'grant', 'signedoff') then 'approved'
        when word_of(x) in ('rejected', 'reject', 'declined', 'decline', 'denied', 'deny', 'refused', 'refuse', 'disapproved', 'notapproved') then 'rejected'
        when word_of(x) in ('withdrawn', 'withdraw', 'revoked', 'revoke', 'rescinded', 'retracted', 'takenback', 'dismissed') then 'withdrawn'
        when word_of(x) in ('skipped', 'skip', 'notrequired', 'nolongerrequired', 'duplicate') then 'skipped'
        when word_of(x) in ('pending', 'requested', 'notrequested', 'waiting', 'deferred', 'reassigned', 'undefined', 'uninitiated', 'moreinforequired') then 'pending'
        when word_of(x) in ('cancelled', 'canceled', 'cancel', 'abandoned', 'failed') then 'cancelled'
        when word_of(x) in ('expired', 'timedout', 'timeout') then 'expired'
    end;
create or replace temporary macro phase_of(x) as
    case
        when word_of(x) in ('pre', 'predeploy', 'predeployment', 'before') then 'pre'
        when word_of(x) in ('post', 'postdeploy', 'postdeployment', 'after') then 'post'
        when word_of(x) in ('review', 'codereview', 'peerreview', 'pullrequest', 'mergerequest') then 'review'
    end;
create or replace temporary macro not_a_decision(decision, phase) as
    case
        when text_of(decision) is null then 'the approval has no decision'
        when decision_of(decision) is null
            then 'unknown decision ' || decision || ' of an approval; one of approved, rejected, withdrawn, skipped, pending, cancelled, expired'
        when text_of(phase) is not null and phase_of(phase) is null then 'unknown phase ' || phase || ' of an approval; one of pre, post, review'
    end;
create or replace temporary macro not_decisions(approvals) as
    list_filter(list_transform(approvals, lambda a: not_a_decision(a.decision, a.phase)), lambda said: said is not null)[1];

-- An artifact is its digest, whatever names it: an image's digest alone, SHA-256 where nothing says which, several in any order.
create or replace temporary macro digests_of(x) as
    case
        when regexp_matches(x, '[0-9a-fA-F]{64}') then array_to_string(list_sort(list_distinct(list_transform(
            string_split_regex(replace(lower(trimmed(x)), '%3a', ':'), '[\s,;]+'),
            lambda d: regexp_replace(regexp_replace(d, '^.*@(sha\d+:[0-9a-f]+).*$', '\1'), '^([0-9a-f]{64})$', 'sha256:\1')
        ))), ' ')
        else text_of(x)
    end;

-- The texts of a JSON list, or of the one value that stands where a list may.
create or replace temporary macro json_texts(x) as
    case
        when x is null or json_type(x) = 'NULL' then null
        when json_type(x) = 'ARRAY' then from_json(x, '["VARCHAR"]')
        else [x->>'$']
    end;

-- The names that stand at a place in JSON, in every member of a list where the path goes through one ([0]) or ends at one.
create or replace temporary macro names_at(document, path) as list_filter(
    case
        when contains(path, '[0]') then flatten(list_transform(
            from_json(json_extract(document, split_part(path, '[0]', 1)), '["JSON"]'), lambda x: json_texts(json_extract(x, '$' || split_part(path, '[0]', 2)))
        ))
        when json_type(document, path) = 'ARRAY' then from_json(json_extract(document, path), '["VARCHAR"]')
        else [json_extract_string(document, path)]
    end,
    lambda x: x <> '' and (left(x, 1) not in ('{', '[') or not json_valid(x))
);

-- How many things are told of at a place in JSON: a list of them, a thing, a text; at `.*` the members of an object.
create or replace temporary macro json_count(document, path) as
    case json_type(document, rtrim(path, '.*'))
        when 'ARRAY' then json_array_length(document, path)
        when 'OBJECT' then if(ends_with(path, '.*'), len(json_keys(document, rtrim(path, '.*'))), 1)
        when 'VARCHAR' then if(json_extract_string(document, path) = '', 0, 1)
        else 0
    end;

-- At or before the start; some systems tell of parts of a second and some do not, and an equal second counts.
create or replace temporary macro in_time(decided_at, started_at) as date_trunc('second', decided_at) <= started_at;

-- Commits may be written in short: seven digits or more are the same as the number that begins with them.
create or replace temporary macro same_commit(a, b) as
    case
        when least(length(a), length(b)) >= 7 then starts_with(lower(a), lower(b)) or starts_with(lower(b), lower(a))
        else lower(a) = lower(b)
    end;

-- Role names are unique in an account whatever their path: account/name, in lower case, of a role or session ARN.
create or replace temporary macro role_key(arn) as
    case
        when arn is null then null
        when regexp_matches(arn, '^arn:[^:]*:sts::[^:]*:assumed-role/')
            then lower(split_part(arn, ':', 5) || '/' || split_part(split_part(arn, ':', 6), '/', 2))
        when regexp_matches(arn, '^arn:[^:]*:iam::[^:]*:role/')
            then lower(split_part(arn, ':', 5) || '/' || list_last(string_split(arn, '/')))
        else lower(arn)
    end;

-- A federation subject as it may be declared: as it stands; with `:` for the %3A of GitHub's values; without the ids that
-- GitHub puts into new subjects (repo:org@123/app@456:…): who declares names alone means whatever has these names.
create or replace temporary macro without_ids(x) as regexp_replace(lower(x), '^repo:([^/@:]+)@\d+/([^/@:]+)@\d+', 'repo:\1/\2');
create or replace temporary macro subject_spellings(x) as
    list_distinct([lower(x), replace(lower(x), '%3a', ':'), without_ids(x), replace(without_ids(x), '%3a', ':')]);

-- The record of an object that a whole snapshot lacks: OBJECT@deleted-TIME. A system's own id or version may begin alike.
create or replace temporary macro is_tombstone(record_id) as
    regexp_matches(record_id, '@deleted-\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$');

-- What reports call a change: the same in every collection and from every source.
create or replace temporary macro change_id(system, change_key) as left(sha256(system || chr(31) || change_key), 32);

-- The last part of an ARN or path: a user's own name.
create or replace temporary macro last_name(x) as list_last(string_split(x, '/'));

-- A credential's beginning and the event that issued it may be a moment apart: seconds to look in.
create or replace temporary macro epoch_second(t) as epoch_us(t) // 1000000;
create or replace temporary macro seconds_around(t) as generate_series(epoch_us(t) // 1000000 - 2, epoch_us(t) // 1000000 + 2);

-- One number for all the ways in which an actor shows itself in a record; null and empty differ.
create or replace temporary macro appearance(system, actor_type, actor_name, actor_role, session_name, session_key, session_started, source_identity, invoked_by, console) as
    md5_number(concat_ws(chr(31), system, actor_type, coalesce(actor_name, chr(30)), coalesce(actor_role, chr(30)), coalesce(session_name, chr(30)),
        coalesce(session_key, chr(30)), coalesce(session_started::varchar, chr(30)), coalesce(source_identity, chr(30)), coalesce(invoked_by, chr(30)), console::varchar));

-- What differs between two JSON objects, member by member: a list of field, old and new, empty or null where nothing does.
-- A mapping makes `diffs` of it with diffs_text.
create or replace temporary macro object_diffs(before, after) as
    list_transform([{'b': try_cast(before as map(varchar, json)), 'a': try_cast(after as map(varchar, json))}], lambda m: list_transform(
        list_filter(list_sort(list_distinct(list_concat(map_keys(m.b), map_keys(m.a)))), lambda k: m.b[k] is distinct from m.a[k]),
        lambda k: {'field': k, 'old': m.b[k], 'new': m.a[k]}
    ))[1];
create or replace temporary macro diffs_text(diffs) as case when len(diffs) > 0 then to_json(diffs)::varchar end;
-- A name as a UUID (version 5 in the namespace of addresses): what a pipeline can make of its run and set as correlation id.
create or replace temporary macro uuid_of(x) as (
    select substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-5' || substr(h, 14, 3) || '-' || substr('89ab', (('0x' || substr(h, 17, 1))::int & 3) + 1, 1) || substr(h, 18, 3) || '-' || substr(h, 21, 12)
    from (select sha1(unhex('6ba7b8119dad11d180b400c04fd430c8') || encode(x)) as h)
);

-- Tickets as people name them in messages: CHG0031337, ABC-42.
create or replace temporary macro tickets_in(x) as regexp_extract_all(upper(x), '\b(?:CHG\d{5,}|[A-Z][A-Z0-9]{1,9}-\d+)\b');

-- Something that a finding is made of, as a number: its text would be long, and is only asked for whether it was there before.
create or replace temporary macro part(x) as md5_number_lower(x);

-- What starts a stage, where its definition does not say: what started its runs in the 90 days up to the last one, each with
-- `trigger` and `began_at`. It starts by itself if a run did since the definition is as it is (`since`, null where that is not
-- known); by hand, or at set times, only if none ever did: one run by hand says nothing of what else would have started it.
-- A run of which nobody knows what started it leaves it open, and to go back to an earlier release says nothing of it.
create or replace temporary macro lately(runs) as
    list_filter(runs, lambda r: r.trigger is distinct from 'rollback' and coalesce(r.began_at >= list_max([x.began_at for x in runs]) - interval 90 days, true));
create or replace temporary macro trigger_of_runs(runs, since) as
    case
        when len(list_filter(lately(runs), lambda r: r.trigger = 'automatic' and coalesce(r.began_at >= since, true))) > 0 then 'automatic'
        when len(list_filter(lately(runs), lambda r: coalesce(r.trigger, 'automatic') = 'automatic')) > 0 then null
        when list_contains([r.trigger for r in lately(runs)], 'scheduled') then 'scheduled'
        when list_contains([r.trigger for r in lately(runs)], 'manual') then 'manual'
    end;
