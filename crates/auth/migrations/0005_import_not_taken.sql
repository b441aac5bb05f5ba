-- The rows of the last batch that were not taken, as JSON, while a file is under way: whoever goes on after an
-- interruption may not have written them to its report. A reason never repeats what a row says.
ALTER TABLE imports ADD COLUMN not_taken TEXT;
