//! An account as somebody sees it.

use crate::api::UserView;
use crate::{Account, Party, PersonalData, PersonalDataError, Users, personal};

impl Users {
    /// What `reader` may see of an account beside its own columns.
    pub async fn personal_data(&self, account: &Account, reader: Party) -> Result<PersonalData, PersonalDataError> {
        if !account.has_attributes {
            return Ok(PersonalData::default());
        }
        personal::read_for(self, &mut self.db.read().await?, account, reader).await
    }

    /// An account as `reader` sees it.
    pub async fn view(&self, account: &Account, reader: Party) -> Result<UserView, PersonalDataError> {
        let personal = self.personal_data(account, reader).await?;
        Ok(UserView::new(account, personal, account.avatar_url(self.pictures.origin())))
    }
}
