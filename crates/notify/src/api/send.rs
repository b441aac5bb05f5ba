//! An application says something, and looks what has become of it: `/api/v1/notifications/send`.

use axum::Json;
use axum::extract::{FromRef as _, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kernel::caller::SendingService;
use kernel::id::SendId;
use kernel::problem::ProblemDocument;
use kernel::{Caller, FieldError, JobId, Problem, StrictJson, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use users::api::officer::forbidden;
use users::job::Refusal;
use users::{Authority, Officer, Users, may};

use crate::Notify;
use crate::own::InvalidValue;
use crate::send::{
    self, IdempotencyKey, MOST, Progress, Recipients, SendMessageError, SendRequest, Sender, Sent, send_message,
};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whoever may have something said: a service with a sender's token, or somebody with the permission. Nobody else learns
/// what is wrong with their body.
pub(super) struct MaySend(Sender);

impl FromRequestParts<Notify> for MaySend {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, notify: &Notify) -> Result<Self, Problem> {
        if let Some(SendingService { id, name }) = parts.extensions.get::<SendingService>().cloned() {
            return Ok(Self(Sender::Service { id, name }));
        }
        let caller = Caller::from_request_parts(parts, notify).await?;
        let users = Users::from_ref(notify);
        let officer = Officer::prove(&users.roles, &caller, may::NOTIFICATIONS_SEND).ok_or_else(forbidden)?;
        Ok(Self(Sender::Officer(Authority::Officer(officer))))
    }
}

/// To whom: `user`, `users` or `role`.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct To {
    /// One person.
    user: Option<UserId>,
    /// These people, at most 100,000.
    #[schema(max_items = 100_000, min_items = 1)]
    users: Option<Vec<UserId>>,
    /// All who hold this role now and may use their account.
    #[schema(max_length = 64)]
    role: Option<String>,
}

/// What is to be said, and to whom.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendBody {
    /// The name of a message of `notify.messages`.
    #[schema(max_length = 48)]
    template: String,
    to: To,
    /// What its words name: texts of one line, at most 500 characters, and whole numbers.
    #[serde(default)]
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

/// What has become of it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = SentNotification)]
pub(super) struct SentView {
    /// Its id, by which it stands in the ledger.
    id: SendId,
    /// To how many people it was said; null where a job says it.
    told: Option<u64>,
    /// Who was not told, each with why: `not_found`, `not_active`, or `internal_error` where what is theirs cannot be sealed.
    refused: Vec<RefusedView>,
    /// The job that says it, to more than 100 people or to a role.
    job: Option<JobId>,
}

/// Somebody who was not told.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = NotTold)]
struct RefusedView {
    user: UserId,
    code: String,
}

impl From<Refusal> for RefusedView {
    fn from(one: Refusal) -> Self {
        Self { user: one.user, code: one.code }
    }
}

impl From<Sent> for SentView {
    fn from(sent: Sent) -> Self {
        let refused = sent.refused.into_iter().map(RefusedView::from).collect();
        Self { id: sent.id, told: sent.told, refused, job: sent.job }
    }
}

/// How far it is.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = SendProgress)]
pub(super) struct ProgressView {
    id: SendId,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    #[schema(value_type = String)]
    state: &'static str,
    /// How many people it is for; null until that was counted.
    total: Option<i64>,
    /// How many were told.
    told: i64,
    /// How many were not.
    not_told: i64,
    /// The first 20 of these, each with why.
    refused: Vec<RefusedView>,
    /// Why it was given up, as a `code`: `forbidden` where the sender may not have anything said any more.
    trouble: Option<String>,
    /// The job that says it.
    job: Option<JobId>,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        let Progress { id, state, total, told, not_told, refused, trouble, job } = progress;
        let refused = refused.into_iter().map(RefusedView::from).collect();
        Self { id, state: state.as_str(), total, told, not_told, refused, trouble, job }
    }
}

impl SendBody {
    fn read(self, notify: &Notify) -> Result<SendRequest, Problem> {
        let mut errors = Vec::new();
        let message = notify.settings().messages.find(&self.template);
        match message {
            None => errors.push(FieldError::new("template", "unknown_template", "There is no message of this name.")),
            Some(message) => errors.extend(message.check(&self.data).into_iter().map(wrong_value)),
        }
        let To { user, users, role } = self.to;
        let to = match (user, users, role) {
            (Some(user), None, None) => Some(Recipients::People(vec![user])),
            (None, Some(mut users), None) if (1..=MOST).contains(&users.len()) => {
                users.sort_unstable();
                users.dedup();
                Some(Recipients::People(users))
            }
            (None, None, Some(role)) => Some(Recipients::Role(role)),
            (None, Some(_), None) => {
                errors.push(FieldError::new("to.users", "wrong_number", "Name 1 to 100,000 people."));
                None
            }
            _ => {
                errors.push(FieldError::new("to", "one_of", "Send one of `user`, `users` and `role`."));
                None
            }
        };
        match (message, to) {
            (Some(message), Some(to)) if errors.is_empty() => Ok(SendRequest { message, values: self.data, to }),
            _ => Err(Problem::invalid_input(errors)),
        }
    }
}

fn wrong_value(InvalidValue { name, code, what }: InvalidValue) -> FieldError {
    FieldError::new(format!("data.{name}"), code, what)
}

fn key_of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|_| values.next().is_none()).and_then(IdempotencyKey::parse);
    key.map(Some).ok_or_else(|| {
        Problem::bad_request(
            "invalid_idempotency_key",
            "Send one `Idempotency-Key` of 1 to 255 characters of ASCII, new for each thing that you want.",
        )
    })
}

/// Say something to people
///
/// A message of `notify.messages`, with values for its words, to one person, a list or all who hold a role. Each is told
/// in their language, on the channels that they want it on, when they want to be told. Up to 100 people are told at once,
/// more by a job. With an `Idempotency-Key`, whoever asks for the same again within seven days is given the same answer,
/// and nobody is told twice.
#[utoipa::path(post, path = "/api/v1/notifications/send", tag = "Notifications",
    security(("access_token" = ["notifications:send"]), ("service_token" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters, new for each thing that you want.")),
    request_body = SendBody,
    responses((status = 202, description = "It is said, or a job says it: `Location` says where to look.", body = SentView,
            headers(("Location" = String, description = "What has become of it."))),
        (status = 400, description = "`invalid_idempotency_key`", body = ProblemDocument),
        (status = 403, description = "`forbidden`: the caller lacks the permission.", body = ProblemDocument),
        (status = 409, description = "`request_in_progress`: one with this key is under way. `too_many_jobs`: 20 of yours are.", body = ProblemDocument),
        (status = 422, description = "`invalid_input`, `unknown_role`, `idempotency_key_reused`: something else was asked for with this key.", body = ProblemDocument)))]
pub(super) async fn send(
    MaySend(sender): MaySend,
    State(notify): State<Notify>,
    headers: HeaderMap,
    StrictJson(body): StrictJson<SendBody>,
) -> Result<Response, Problem> {
    let key = key_of(&headers)?;
    let request = body.read(&notify)?;
    let sent = send_message(&notify, &sender, request, key.as_ref()).await?;
    let location = sent.job.map(|_| [(header::LOCATION, format!("/api/v1/notifications/send/{}", sent.id))]);
    let answer = (StatusCode::ACCEPTED, Json(SentView::from(sent)));
    Ok(match location {
        Some(location) => (location, answer).into_response(),
        None => answer.into_response(),
    })
}

/// What has become of it
///
/// For whoever sent it, for seven days: what a job says, and what was sent with an `Idempotency-Key`.
#[utoipa::path(get, path = "/api/v1/notifications/send/{id}", tag = "Notifications",
    security(("access_token" = ["notifications:send"]), ("service_token" = [])),
    params(("id" = SendId, Path, description = "The `id` of the answer.")),
    responses((status = 200, description = "How far it is.", body = ProgressView),
        (status = 404, description = "`not_found`: there is none, or somebody else has sent it.", body = ProblemDocument)))]
pub(super) async fn read_send(
    MaySend(sender): MaySend,
    State(notify): State<Notify>,
    Path(id): Path<String>,
) -> Result<Json<ProgressView>, Problem> {
    let id = id.parse().map_err(|_| Problem::not_found())?;
    let progress = send::look(&notify, &sender, id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(progress.into()))
}

impl From<SendMessageError> for Problem {
    fn from(error: SendMessageError) -> Self {
        match error {
            SendMessageError::Forbidden => forbidden(),
            SendMessageError::UnknownRole(name) => users::api::unknown_role("to.role", &name),
            SendMessageError::TooMany => users::api::too_many_jobs(),
            SendMessageError::InProgress => Self {
                retry_after: Some(1),
                ..Self::new(
                    StatusCode::CONFLICT,
                    "request_in_progress",
                    "A request with this key is under way",
                    "Wait a moment and send it again: then you are given its answer.",
                )
            },
            SendMessageError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "Something else was asked for with this key",
                "Take a new `Idempotency-Key` for each thing that you want, and the same only to ask for the same again.",
            ),
            SendMessageError::Storage(error) => error.into(),
        }
    }
}
