//! An account as somebody sees it.

use crate::api::UserView;
use crate::{Account, Party, PersonalData, PersonalDataError, Users, personal};

/// How many accounts' data are read at once.
const PAGE: usize = 200;

impl Users {
    /// What `reader` may see of an account beside its own columns.
    pub async fn personal_data(&self, account: &Account, reader: Party) -> Result<PersonalData, PersonalDataError> {
        if !account.has_attributes {
            return Ok(PersonalData::default());
        }
        personal::read_for(self, &mut self.db.read().await?, account, reader).await
    }

    /// Accounts as `reader` sees them, in the same order.
    pub async fn views(&self, accounts: &[Account], reader: Party) -> Result<Vec<UserView>, PersonalDataError> {
        let mut views = Vec::with_capacity(accounts.len());
        for page in accounts.chunks(PAGE) {
            let mut personal = personal::read_many(self, &mut self.db.read().await?, page, reader).await?;
            views.extend(page.iter().map(|account| {
                let personal = personal.remove(&account.id).unwrap_or_default();
                UserView::new(account, personal, account.avatar_url(self.pictures.origin()))
            }));
        }
        Ok(views)
    }

    /// An account as `reader` sees it.
    pub async fn view(&self, account: &Account, reader: Party) -> Result<UserView, PersonalDataError> {
        let personal = self.personal_data(account, reader).await?;
        Ok(UserView::new(account, personal, account.avatar_url(self.pictures.origin())))
    }
}
