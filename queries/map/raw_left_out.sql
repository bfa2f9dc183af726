anti join replaced x
  on x.record_id = r.record_id and x.hash = r.hash and x.batch_id = r.batch_id and x.unit = r.unit and x.position = r.position
anti join unmappable f on f.source = r.source and f.hash = r.hash
