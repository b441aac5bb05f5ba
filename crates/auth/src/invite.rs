//! Inviting somebody: an account is made for them, and a link to choose its password goes to its address. Whoever uses
//! the link shows that the address is theirs, and is signed in.

use kernel::{Event, Kind, Timestamp, UserId};
use storage::{Connection, Tx};
use users::link::{Purpose, Token};
use users::{
    Account, Authority, ChangeStatusError, CreateAccountError, DisplayName, NewProfile, Reason, Status, StatusChange,
    account, change_status_in, make_account, may,
};

use crate::hashing::{Busy, HashError};
use crate::link::{self, Good, LinkError, NewLink};
use crate::register::{RegisterError, hash_for, open};
use crate::{Auth, Client, Opened, Weakness, attempts, credential};

/// What somebody was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// When the newest link was made.
    pub sent_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// Nobody was invited.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// The account cannot be made.
    #[error(transparent)]
    Account(#[from] CreateAccountError),
    /// It was invited too often lately.
    #[error("invitations were sent to this account too often")]
    TooOften,
}

impl From<storage::Error> for InviteError {
    fn from(error: storage::Error) -> Self {
        Self::Account(error.into())
    }
}

/// The invitation was neither sent again nor withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum ChangeInvitationError {
    /// Whoever asks lacks the permission, or the account has more.
    #[error("the permission for this is missing")]
    Forbidden,
    /// There is no such account.
    #[error("no such account")]
    NotFound,
    /// It has a password, or may not be used: nobody is waited for.
    #[error("the account has a password, or is suspended or deleted")]
    NotInvited,
    /// Too many were sent to it lately.
    #[error("invitations were sent to this account too often")]
    TooOften,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

/// Makes an account without a password, and has a link to choose one sent to its address. Whoever gives it roles needs
/// what [`users::create_account`] asks for.
pub async fn invite(auth: &Auth, authority: Authority, new: &NewProfile) -> Result<(Account, Invitation), InviteError> {
    let mut tx = auth.db().begin().await?;
    let (account, event) = make_account(auth.users(), &mut tx, authority, new).await?;
    let (invitation, event) = send(auth, &mut tx, authority, account.id, event).await?.ok_or(InviteError::TooOften)?;
    tx.append(event);
    tx.commit().await?;
    Ok((account, invitation))
}

/// Has another link sent to an account that has no password yet; those before it do not work any more.
pub async fn invite_again(
    auth: &Auth,
    authority: Authority,
    user: UserId,
) -> Result<Invitation, ChangeInvitationError> {
    let mut tx = auth.db().begin().await?;
    waited_for(&mut tx, authority, user, may::USERS_WRITE).await?;
    let event = authority.sign(Event::new(Kind::InvitationSent, auth.clock().now()).about(user));
    let sent = send(auth, &mut tx, authority, user, event).await?;
    let (invitation, event) = sent.ok_or(ChangeInvitationError::TooOften)?;
    tx.append(event);
    tx.commit().await?;
    Ok(invitation)
}

/// Takes an invitation back: its links do not work any more, and the account, which nobody has used, is deleted. It can
/// be restored and invited again.
pub async fn withdraw_invitation(auth: &Auth, authority: Authority, user: UserId) -> Result<(), ChangeInvitationError> {
    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    waited_for(&mut tx, authority, user, may::USERS_DELETE).await?;
    if !link::was_made(&mut tx, user, Purpose::Invitation).await? {
        return Err(ChangeInvitationError::NotInvited);
    }
    link::end_all(&mut tx, user, Some(Purpose::Invitation), now).await?;
    let reason = Reason::parse("The invitation was withdrawn.").unwrap_or_default();
    let deleted = change_status_in(&mut tx, authority, user, (StatusChange::Delete, &reason), now).await;
    deleted.map_err(|error| match error {
        ChangeStatusError::Storage(error) => ChangeInvitationError::Storage(error),
        ChangeStatusError::Forbidden => ChangeInvitationError::Forbidden,
        ChangeStatusError::NotFound => ChangeInvitationError::NotFound,
        ChangeStatusError::NotIn(_)
        | ChangeStatusError::TooLate
        | ChangeStatusError::LastAdministrator
        | ChangeStatusError::OwnAccount => ChangeInvitationError::NotInvited,
    })?;
    tx.commit().await?;
    Ok(())
}

/// The newest invitation of an account, if somebody can still accept it.
pub async fn pending_invitation(auth: &Auth, user: UserId) -> storage::Result<Option<Invitation>> {
    let mut read = auth.db().read().await?;
    let found = link::newest(&mut read, user, Purpose::Invitation, auth.clock().now()).await?;
    Ok(found.map(|link| Invitation { sent_at: link.created_at, expires_at: link.expires_at }))
}

/// The address of the page behind the newest invitation, for whoever runs commands where no mail is sent.
pub async fn invitation_link(auth: &Auth, account: &Account) -> storage::Result<Option<String>> {
    let mut read = auth.db().read().await?;
    let found = link::newest(&mut read, account.id, Purpose::Invitation, auth.clock().now()).await?;
    Ok(found.map(|link| {
        let token = auth.users().links.token(&link::bond(&link, Purpose::Invitation, account, None));
        format!("{}{}?token={token}", auth.settings().issuer, Purpose::Invitation.page())
    }))
}

async fn send(
    auth: &Auth,
    tx: &mut Tx,
    authority: Authority,
    user: UserId,
    event: Event,
) -> storage::Result<Option<(Invitation, Event)>> {
    let new = NewLink { asked_by: authority.actor(), ..NewLink::default() };
    let link = link::issue(auth, tx, user, Purpose::Invitation, new).await?;
    Ok(link.map(|link| {
        let invitation = Invitation { sent_at: link.created_at, expires_at: link.expires_at };
        (invitation, link::said(event, &link))
    }))
}

/// Locks the account, and sees whether this authority may touch it and nobody has chosen a password for it yet.
async fn waited_for(
    tx: &mut Tx,
    authority: Authority,
    user: UserId,
    permission: &str,
) -> Result<Account, ChangeInvitationError> {
    let exists = account::lock(tx, user).await?;
    if !authority.may_touch(tx, permission, user).await? {
        return Err(ChangeInvitationError::Forbidden);
    }
    if !exists {
        return Err(ChangeInvitationError::NotFound);
    }
    let account = account::find(tx, user).await?.ok_or(ChangeInvitationError::NotFound)?;
    if account.status != Status::Active || credential::find(tx, user).await?.is_some() {
        return Err(ChangeInvitationError::NotInvited);
    }
    Ok(account)
}

/// The account is not its owner's yet.
#[derive(Debug, thiserror::Error)]
pub enum AcceptInvitationError {
    /// Used, old, withdrawn, replaced, edited, or for something else: it does not say which.
    #[error("the link is not good any more")]
    InvalidToken,
    /// The password cannot be chosen.
    #[error(transparent)]
    WeakPassword(#[from] Weakness),
    /// Too many hashes wait.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The hash cannot be computed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl From<LinkError> for AcceptInvitationError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::InvalidToken => Self::InvalidToken,
            LinkError::Storage(error) => Self::Storage(error),
        }
    }
}

impl From<RegisterError> for AcceptInvitationError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::EmailTaken => Self::InvalidToken,
            RegisterError::WeakPassword(weakness) => Self::WeakPassword(weakness),
            RegisterError::Busy(busy) => Self::Busy(busy),
            RegisterError::Hash(cause) => Self::Hash(cause),
            RegisterError::Storage(error) => Self::Storage(error),
        }
    }
}

/// Who is invited, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    /// The address of the account.
    pub email: String,
    /// Its name.
    pub name: Option<String>,
    /// What whoever invites calls themselves; nothing if they have no name, or it was a command.
    pub by: Option<String>,
}

/// The invitation that this token is, if it can still be accepted. Behind the account's lock, nobody else accepts it.
async fn invitation(auth: &Auth, on: &mut impl Connection, token: &Token) -> Result<Good, LinkError> {
    let good = link::good(auth, on, token, Purpose::Invitation).await?;
    // Whoever chose a password otherwise has the account already.
    if credential::find(on, good.account.id).await?.is_some() {
        return Err(LinkError::InvalidToken);
    }
    Ok(good)
}

/// Who is invited by this token. Nothing is changed.
pub async fn check_invitation(auth: &Auth, token: &str) -> Result<Invited, LinkError> {
    let token = Token::parse(token).ok_or(LinkError::InvalidToken)?;
    let mut read = auth.db().read().await?;
    let Good { link, account, .. } = invitation(auth, &mut read, &token).await?;
    let by = match link.asked_by {
        Some(by) => account::find(&mut read, by).await?.filter(|by| by.status == Status::Active),
        None => None,
    };
    let name = |account: &Account| account.name.as_ref().map(|name| DisplayName::as_str(name).to_owned());
    Ok(Invited { email: account.email.as_str().to_owned(), name: name(&account), by: by.as_ref().and_then(name) })
}

/// Uses the link: the account has this password from now on, its address is verified, and a session begins. `cookie` is
/// that of a browser that somebody signed in on before.
pub async fn accept_invitation(
    auth: &Auth,
    token: &str,
    password: &str,
    cookie: Option<&str>,
    client: &Client,
) -> Result<Opened, AcceptInvitationError> {
    use AcceptInvitationError::InvalidToken;
    let token = Token::parse(token).ok_or(InvalidToken)?;
    let user = {
        let Good { account, .. } = invitation(auth, &mut auth.db().read().await?, &token).await?;
        account
    };
    let hash = hash_for(auth, password, &user.email, user.name.as_ref()).await?;

    let now = auth.clock().now();
    let mut tx = auth.db().begin().await?;
    account::lock(&mut tx, user.id).await?;
    let Good { link, account, .. } = invitation(auth, &mut tx, &token).await?;
    if !link::consume(&mut tx, link.id, Purpose::Invitation, now).await? {
        return Err(InvalidToken);
    }
    credential::insert(&mut tx, account.id, &hash, now).await?;
    if !account::set_email(&mut tx, account.id, &account.email, true, now).await? {
        return Err(InvalidToken);
    }
    // Guesses at an address that had no password do not lock its owner out.
    attempts::forget_account(&mut tx, auth, account.email.canonical()).await?;
    let account = account::find(&mut tx, account.id).await?.ok_or(InvalidToken)?;
    let opened = open(auth, &mut tx, account, client, cookie, now).await?;
    let event = Event::new(Kind::InvitationAccepted, now).by(opened.account.id).in_session(opened.session.id);
    tx.append(event.with("link", link.id.to_string()));
    tx.commit().await?;
    Ok(opened)
}
