//! Looking for accounts: `GET /api/v1/users`.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::Uri;
use kernel::page::{DEFAULT_LIMIT, limit_of};
use kernel::problem::ProblemDocument;
use kernel::{FieldError, Page, Problem};

use super::UserView;
use super::officer::{May, UsersRead};
use crate::search::{Cursor, Filter, InvalidPart, RawFilter, Sort, search};
use crate::{Party, Users};

/// What stands behind the question mark.
struct ListQuery {
    filter: Filter,
    sort: Sort,
    limit: u32,
    cursor: Option<Cursor>,
}

/// List accounts
///
/// Every part of the filter has to be true of an account. Deleted accounts are listed with `status=deleted` only. A
/// page may have fewer accounts than its limit, even none, while `next` is not null: one page looks at a limited number
/// of accounts, so that no search is slow. Go on with `next` until it is null.
#[utoipa::path(get, path = "/api/v1/users", tag = "Administration", security(("access_token" = ["users:read"])),
    params(
        ("q" = Option<String>, Query, max_length = 254, description = "What stands anywhere in the name or the address: at most 100 characters, or a whole address. Capital and small letters are the same; `%`, `_` and `*` stand for themselves."),
        ("role" = Option<String>, Query, max_length = 64, pattern = "^[a-z0-9:_-]+$", description = "A role that they have."),
        ("status" = Option<String>, Query, pattern = "^(active|suspended|deleted)$", description = "Their status. Without it: active and suspended."),
        ("verified" = Option<bool>, Query, description = "Whether the address is verified."),
        ("created_after" = Option<kernel::Timestamp>, Query, description = "Made at this moment or later."),
        ("created_before" = Option<kernel::Timestamp>, Query, description = "Made before this moment."),
        ("last_login_after" = Option<kernel::Timestamp>, Query, description = "Signed in at this moment or later."),
        ("phone" = Option<String>, Query, max_length = 32, description = "A telephone number, exactly, in any spelling. An attribute of the configuration that is marked `searchable` is asked for as `attribute.NAME=value`."),
        ("sort" = Option<String>, Query, pattern = "^(created_at|-created_at|email|name|last_login_at)$", description = "The order; `-created_at` unless said. Whoever has no name, or never signed in, comes last."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 200, description = "Accounts on a page: 50 unless said. A number outside of 1 to 200 is brought within."),
        ("cursor" = Option<String>, Query, max_length = 2048, description = "The `next` of the page before, with the same filter and sort.")),
    responses((status = 200, description = "A page.", body = Page<UserView>),
        (status = 400, description = "`invalid_query`: a parameter is not known, stands twice, or cannot be read.", body = ProblemDocument),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`; for the cursor of another list `invalid_cursor` in `errors`.", body = ProblemDocument)))]
pub(super) async fn list_users(
    _proven: May<UsersRead>,
    State(users): State<Users>,
    uri: Uri,
) -> Result<Json<Page<UserView>>, Problem> {
    let ListQuery { filter, sort, limit, cursor } = ListQuery::parse(&users, &uri)?;
    let found = search(&users, &filter, sort, cursor.as_ref(), limit).await?;
    let items = users.views(&found.accounts, Party::Officers).await?;
    Ok(Json(Page { items, next: found.next.map(|next| next.to_text()) }))
}

fn unclear(detail: String) -> Problem {
    Problem::bad_request("invalid_query", detail)
}

impl From<InvalidPart> for Problem {
    fn from(error: InvalidPart) -> Self {
        match error {
            InvalidPart::Repeated(_) => unclear(error.to_string()),
            InvalidPart::Nul => Self::bad_request("nul_character", error.to_string()),
        }
    }
}

impl ListQuery {
    fn parse(users: &Users, uri: &Uri) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Query(mut pairs) =
            pairs.map_err(|_| unclear("What stands behind the question mark cannot be read.".into()))?;
        let raw = RawFilter::take(&mut pairs)?;
        let (mut sort, mut limit, mut cursor) = (None, None, None);
        for (name, value) in pairs {
            let part = match name.as_str() {
                "sort" => &mut sort,
                "limit" => &mut limit,
                "cursor" => &mut cursor,
                _ => return Err(unclear("Remove what this list does not know from behind the question mark.".into())),
            };
            if part.replace(value).is_some() {
                return Err(InvalidPart::Repeated(name).into());
            }
        }
        let limit = match limit {
            None => DEFAULT_LIMIT,
            Some(text) => limit_of(&text).ok_or_else(|| unclear("Use a whole number as `limit`.".into()))?,
        };
        let mut errors = Vec::new();
        let filter = Filter::parse(users, &raw).unwrap_or_else(|wrong| {
            errors.extend(wrong);
            Filter::default()
        });
        let sort = sort.map_or(Some(Sort::default()), |name| Sort::parse(&name)).unwrap_or_else(|| {
            let names = Sort::ALL.map(Sort::as_str).join(", ");
            errors.push(FieldError::new("sort", "invalid_sort", format!("Use one of {names}.")));
            Sort::default()
        });
        if !errors.is_empty() {
            return Err(Problem::invalid_input(errors));
        }
        let cursor = cursor.map(|text| Cursor::parse(&text, &filter, sort)).transpose().map_err(|error| {
            Problem::invalid_input(vec![FieldError::new("cursor", "invalid_cursor", error.to_string())])
        })?;
        Ok(Self { filter, sort, limit, cursor })
    }
}
