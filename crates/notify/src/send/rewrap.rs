//! Sealing what jobs are still to say with the master key of today.

use kernel::secret::Unsealable;
use storage::Result;

use super::{place, record};
use crate::Notify;

/// Seals what an older master key sealed. How many it was, or that one does not open.
pub(crate) async fn rewrap(notify: &Notify) -> Result<std::result::Result<u64, Unsealable>> {
    let sealing = notify.sealing();
    let mut done = 0;
    let mut tx = notify.db().begin().await?;
    for (id, sealed) in record::sealed(&mut tx).await? {
        let place = place(id);
        if sealing.is_current(&place, &sealed) {
            continue;
        }
        match sealing.open(&place, &sealed).and_then(|plain| sealing.seal(&place, &plain)) {
            Ok(again) => done += record::reseal(&mut tx, id, (&sealed, &again)).await?,
            Err(error) => return Ok(Err(error)),
        }
    }
    tx.commit().await?;
    Ok(Ok(done))
}

#[cfg(test)]
mod tests {
    use kernel::id::SendId;
    use kernel::{Clock, MasterKeys};

    use super::*;
    use crate::tests::{World, settings};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_jobs_are_still_to_say_outlives_the_key_that_sealed_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = storage::Settings::sqlite(folder.path().join("usher.db"), 4);
        let world = World::on(database, settings(), Clock::system()).await;
        let now = world.clock.now();
        let (waiting, over) = (SendId::new(now), SendId::new(now));
        let mut tx = world.notify.db().begin().await.unwrap();
        for id in [waiting, over] {
            let sealed = world.notify.sealing().seal(&place(id), b"{\"ship\":\"Ariel\"}").unwrap();
            record::keep(&mut tx, (id, "operator"), b"asked", ("arrival", &sealed), now).await.unwrap();
        }
        record::forget_values(&mut tx, over).await.unwrap();
        tx.commit().await.unwrap();

        assert_eq!(rewrap(&world.notify).await.unwrap().unwrap(), 0);
        let newer = MasterKeys::generate();
        assert!(rewrap(&world.with_master(&newer)).await.unwrap().is_err(), "the key that sealed it is missing");
        let both = MasterKeys::parse(&format!("{}{}", &*newer.to_text(), &*world.master.to_text())).unwrap();
        assert_eq!(rewrap(&world.with_master(&both)).await.unwrap().unwrap(), 1);
        let with_newer = world.with_master(&newer);
        assert_eq!(rewrap(&with_newer).await.unwrap().unwrap(), 0);
        let said = record::said(&mut with_newer.db().read().await.unwrap(), waiting).await.unwrap().unwrap();
        let opened = with_newer.sealing().open(&place(waiting), &said.sealed.unwrap()).unwrap();
        assert_eq!(&*opened, b"{\"ship\":\"Ariel\"}");
    }
}
