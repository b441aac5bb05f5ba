//! What an old master key is still needed for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::{Auth, credential};

/// How many passwords were hashed with an older master key. Nobody can hash them anew but their owners, by
/// signing in.
pub async fn passwords_of_older_keys(auth: &Auth) -> storage::Result<i64> {
    let current = STANDARD_NO_PAD.encode(auth.pepper().current().id());
    credential::of_other_peppers(&mut auth.db().read().await?, &current).await
}
