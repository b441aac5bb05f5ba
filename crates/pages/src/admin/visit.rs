//! Who is at the console, with the permission that the page is for.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use kernel::permission::RoleBook;
use kernel::{Permissions, Problem, RequestContext};
use users::api::officer::{Needed, forbidden};
use users::{Account, Authority, Officer};

use crate::Pages;
use crate::browser::Visitor;
use crate::form::{self, Fields, SignedInForm};

/// Who sits at the console, and what they may do there.
pub struct Desk {
    /// Who.
    pub visitor: Visitor,
    /// In whose name use cases act.
    pub authority: Authority,
    /// Which request this is.
    pub context: RequestContext,
    permissions: Permissions,
}

impl Desk {
    /// Whether to show what needs this permission. Only whether to show it: use cases ask for themselves.
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.has(permission)
    }

    /// Everything that the visitor may do.
    pub const fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Whether to offer this role, to give or to take.
    pub fn may_hand(&self, book: &RoleBook, role: &str) -> bool {
        users::may_hand(&self.permissions, &self.visitor.account.roles, book, role)
    }

    /// Nothing, if the visitor has this permission too: what shows a person is for those who may read accounts.
    pub fn require(&self, permission: &str) -> Result<(), Problem> {
        if self.may(permission) { Ok(()) } else { Err(forbidden()) }
    }

    fn sit<P: Needed>(pages: &Pages, visitor: Visitor, context: RequestContext) -> Result<Self, Problem> {
        let officer = prove::<P>(pages, &visitor).ok_or_else(forbidden)?;
        let permissions = permissions(pages, &visitor.account);
        Ok(Self { visitor, authority: Authority::Officer(officer), context, permissions })
    }
}

fn prove<P: Needed>(pages: &Pages, visitor: &Visitor) -> Option<Officer> {
    Officer::of_account(&pages.auth.users().roles, &visitor.account, P::PERMISSION)
}

/// What the roles of an account come to now.
pub fn permissions(pages: &Pages, account: &Account) -> Permissions {
    pages.auth.users().roles.now().permissions_of(account.roles.iter().map(String::as_str))
}

/// A visitor of a page that is for the permission `P`. Whoever is not signed in is sent to do so and
/// comes back; whoever lacks the permission is told that, and nothing else.
pub struct Console<P> {
    /// Who.
    pub desk: Desk,
    permission: PhantomData<P>,
}

impl<P: Needed> FromRequestParts<Arc<Pages>> for Console<P> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, pages).await?;
        let Ok(context) = RequestContext::from_request_parts(parts, pages).await;
        let desk = Desk::sit::<P>(pages, visitor, context).map_err(Problem::into_response)?;
        Ok(Self { desk, permission: PhantomData })
    }
}

/// A form of the console that is for the permission `P`.
pub struct ConsoleForm<P> {
    /// Who sent it.
    pub desk: Desk,
    /// What it says.
    pub fields: Fields,
    permission: PhantomData<P>,
}

impl<P: Needed> FromRequest<Arc<Pages>> for ConsoleForm<P> {
    type Rejection = Response;

    async fn from_request(request: Request, pages: &Arc<Pages>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(context) = RequestContext::from_request_parts(&mut parts, pages).await;
        // Nothing of the form is read for somebody who may not send it.
        let may_send = |visitor: &Visitor| prove::<P>(pages, visitor).map(|_| ()).ok_or_else(forbidden);
        let SignedInForm { visitor, fields } = form::receive(Request::from_parts(parts, body), pages, may_send).await?;
        let desk = Desk::sit::<P>(pages, visitor, context).map_err(Problem::into_response)?;
        Ok(Self { desk, fields, permission: PhantomData })
    }
}
