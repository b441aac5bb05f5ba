-- Services that may have messages sent to people have tokens, too.
ALTER TABLE service_tokens DROP CONSTRAINT service_tokens_kind_check;
ALTER TABLE service_tokens ADD CONSTRAINT service_tokens_kind_check CHECK (kind IN ('verifier', 'receiver', 'sender'));
