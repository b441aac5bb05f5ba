-- Which line of `user_texts` has which three letters in a row. It keeps neither texts (they are in `user_texts`)
-- nor where in a text the letters stand (the text itself is looked at): that makes it small and quick to write.
CREATE VIRTUAL TABLE user_text_index USING fts5 (
    text, content = 'user_texts', content_rowid = 'number', tokenize = 'trigram case_sensitive 1',
    detail = none, columnsize = 0
);

-- The same index, read by its letters: what begins with one or two of them.
CREATE VIRTUAL TABLE user_text_letters USING fts5vocab (user_text_index, 'instance');
