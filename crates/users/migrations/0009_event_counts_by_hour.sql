-- Counts are removed by the hour when they are old.
CREATE INDEX event_counts_hour ON event_counts (hour);
