-- Who asked for the link, where that is somebody else than whose it is: the page behind it says who invites.
ALTER TABLE links ADD COLUMN asked_by @uuid;
