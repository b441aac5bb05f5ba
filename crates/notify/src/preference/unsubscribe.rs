//! Wanting no more of something, from a mail (RFC 8058). Whoever has the mail has the address, so nobody signs in.
//!
//! The token in the address is derived: the person, what it is about, and a tag that only whoever has the master key can
//! make. It works for as long as there is the account; all that it can do is end mail.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::UserId;

use super::change::change_in;
use super::{ChangePreferencesError, Preferences};
use crate::category::Offered;
use crate::{Category, ChannelName, Notify};

/// What a mail is about, to whoever wants no more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// A category.
    Category(Category),
    /// All that comes in a digest.
    Digest,
}

/// What stands for a digest: no category is called so.
const DIGEST: &str = "*digest";
const PURPOSE: &[u8] = b"unsubscribe";
const TAG: usize = 32;

impl Topic {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Category(category) => category.as_str(),
            Self::Digest => DIGEST,
        }
    }
}

/// Where somebody ends mail about this, for the head and the foot of a mail.
pub(crate) fn address(notify: &Notify, user: UserId, topic: Topic) -> String {
    let name = topic.as_str();
    let tag = notify.unsubscribe_key().sign(&[PURPOSE, user.as_bytes(), name.as_bytes()]);
    let token = URL_SAFE_NO_PAD.encode([&user.as_bytes()[..], &tag, name.as_bytes()].concat());
    format!("{}/unsubscribe?token={token}", notify.settings().origin)
}

/// Somebody who wants no more of something, as the token in the address says.
#[derive(Clone, Debug)]
pub struct Unsubscribing {
    user: UserId,
    /// What people are shown for what it is about.
    pub title: String,
    names: Vec<String>,
}

impl Unsubscribing {
    /// Reads a token; nothing if it is not one that was given out, or what it is about is not there any more.
    pub fn parse(notify: &Notify, token: &str) -> Option<Self> {
        if token.len() > 256 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (user, rest) = bytes.split_first_chunk::<16>()?;
        let (tag, name) = rest.split_first_chunk::<TAG>()?;
        let user = UserId::from_bytes(*user);
        if !notify.unsubscribe_key().verify(&[PURPOSE, user.as_bytes(), name], tag) {
            return None;
        }
        let name = std::str::from_utf8(name).ok()?;
        let categories = &notify.settings().categories;
        let about: Vec<&Offered> = if name == DIGEST {
            categories.all().iter().filter(|offered| offered.digest).collect()
        } else {
            vec![categories.find(name).filter(|offered| offered.category.can_wait())?]
        };
        let title = if name == DIGEST { "Summaries".to_owned() } else { about.first()?.title.clone() };
        Some(Self { user, title, names: about.iter().map(|offered| offered.category.as_str().to_owned()).collect() })
    }
}

/// Ends mail about this. To do it again changes nothing.
pub async fn unsubscribe(notify: &Notify, who: &Unsubscribing) -> Result<(), ChangePreferencesError> {
    let categories = &notify.settings().categories;
    let email = ChannelName::Email;
    change_in(notify, who.user, |before| {
        let mut after: Preferences = before.clone();
        for name in &who.names {
            let Some(offered) = categories.find(name) else { continue };
            let channels = after.choices.entry(name.clone()).or_default();
            if offered.by_default(email) {
                channels.insert(email.as_str().to_owned(), false);
            } else {
                channels.remove(email.as_str());
            }
            if channels.is_empty() {
                after.choices.remove(name);
            }
        }
        after
    })
    .await?;
    Ok(())
}
