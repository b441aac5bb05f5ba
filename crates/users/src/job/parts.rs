//! Writing an export, part by part. A part is sealed before it leaves this process: it is full of personal
//! data, and the store may be somebody else's.

use kernel::secret::random_bytes;
use kernel::{JobId, UserId};
use storage::{BlobError, BlobName, Error, Result};

use super::record::{self, Claimed};
use super::run::{self, Step, kept, lease_end};
use super::{Job, State};
use crate::export::{self, Format};
use crate::{Account, PersonalDataError, Users, account};

/// How many accounts one part has: well below what the store takes, whatever they say of themselves.
pub(super) const ACCOUNTS: usize = 200;

/// Where the parts of a job are.
pub(super) fn folder(job: JobId) -> Result<BlobName> {
    name(&format!("exports/{job}"))
}

pub(super) fn name(text: &str) -> Result<BlobName> {
    // The names are made here, of numbers alone.
    BlobName::parse(text).map_err(|error| Error::Broken(sqlx::Error::Encode(error.into())))
}

/// What a part is bound to: it opens as no other part and in no other job.
pub(super) fn place(job: JobId, number: i64) -> Vec<u8> {
    format!("job_parts/{job}/{number}").into_bytes()
}

pub(super) fn unavailable(error: BlobError) -> Error {
    match error {
        BlobError::Unavailable(cause) => Error::Unavailable(cause),
        BlobError::Damaged(_) | BlobError::TooLarge => Error::Broken(sqlx::Error::Encode(error.into())),
    }
}

/// Writes these accounts to the next part. The file is put before the transaction that counts it, under a
/// name that is used once: what another process that worked on this job still writes is never read.
pub(super) async fn write(users: &Users, claimed: &mut Claimed, format: Format, ids: &[UserId]) -> Result<Step> {
    let Some(last) = ids.last() else { return Ok(Step::On) };
    let id = claimed.job.id;
    let mut job = claimed.job.clone();
    let Some((number, blob)) = kept(users, claimed, put(users, &mut job, format, ids)).await? else {
        return Ok(Step::Over);
    };
    let now = users.clock.now();
    let mut tx = users.db.begin().await?;
    if !record::keep(&mut tx, id, claimed.lease, lease_end(now)).await? {
        return Ok(Step::Over);
    }
    if !run::may_go_on(&mut tx, claimed).await? {
        run::finish_in(users, &mut tx, &mut job, State::Failed, Some("forbidden"), now).await?;
        tx.commit().await?;
        claimed.job = job;
        users.jobs.count_ended(false);
        return Ok(Step::Over);
    }
    record::insert_part(&mut tx, id, number, blob.as_str()).await?;
    record::advance(&mut tx, &job, *last).await?;
    tx.commit().await?;
    (claimed.job, claimed.position) = (job, Some(*last));
    Ok(Step::On)
}

/// What is to be written of these accounts.
async fn lines(users: &Users, job: &mut Job, accounts: &[Account]) -> Result<Vec<export::Line>> {
    match export::Line::read(users, accounts).await {
        Ok(lines) => {
            for _ in &lines {
                job.count_done();
            }
            return Ok(lines);
        }
        Err(PersonalDataError::Storage(error)) => return Err(error),
        // Each by itself shows whose it is.
        Err(PersonalDataError::Unsealable(_)) => {}
    }
    let mut lines = Vec::with_capacity(accounts.len());
    for account in accounts {
        match export::Line::read(users, std::slice::from_ref(account)).await {
            Ok(line) => {
                lines.extend(line);
                job.count_done();
            }
            Err(PersonalDataError::Unsealable(cause)) => {
                tracing::error!(account = %account.id, %cause, "an account is not in an export: its data cannot be read");
                job.count_refused(account.id, "internal_error");
            }
            Err(PersonalDataError::Storage(error)) => return Err(error),
        }
    }
    Ok(lines)
}

/// Reads the accounts, seals their lines and puts them in the store. The part's number and name.
async fn put(users: &Users, job: &mut Job, format: Format, ids: &[UserId]) -> Result<(i64, BlobName)> {
    let mut read = users.db.read().await?;
    let number = record::count_parts(&mut read, job.id).await?;
    let accounts = account::find_many(&mut read, ids).await?;
    // Personal data is read over a connection of its own: to hold this one meanwhile is to wait for oneself
    // when there is no other.
    drop(read);
    for id in ids {
        if accounts.binary_search_by_key(id, |account| account.id).is_err() {
            job.count_refused(*id, "not_found");
        }
    }
    let lines = lines(users, job, &accounts).await?;
    let text = export::text(format, number == 0, &lines);
    let sealed = users.jobs.seal().seal(&place(job.id, number), &text);
    let sealed = sealed.map_err(|error| Error::Broken(sqlx::Error::Encode(error.into())))?;
    let once = u64::from_be_bytes(random_bytes());
    let blob = name(&format!("exports/{}/{number}-{once:016x}", job.id))?;
    users.blobs.put(&blob, sealed).await.map_err(unavailable)?;
    Ok((number, blob))
}
