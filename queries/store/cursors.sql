select stream, value from cursor where source = $source;
