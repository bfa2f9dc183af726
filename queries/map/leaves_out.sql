-- Whether a mapping is not to see some of the records: hardly ever. Where none is left out nothing is looked for, for the
-- planner takes four fifths to be missing and hands all of the others to one processor.
select exists (from replaced) or exists (from unmappable where source = $source);
