//! Errors as answers: the one table from what went wrong to a status code.

use super::types::Problem;
use crate::hub::HubError;
use crate::jobs::JobError;
use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use vgpu_market::Reject;

/// An answer that says why not.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: StatusCode,
    pub error: &'static str,
    pub message: String,
}

/// What a handler gives.
pub(crate) type Answer<T> = Result<T, Failure>;

impl Failure {
    pub fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        Self { status, error, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown", message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = Problem { error: self.error.to_owned(), message: self.message };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        let message = error.to_string();
        match error {
            HubError::Refused(reject) => reject.into(),
            HubError::Jobs(error) => error.into(),
            HubError::Invalid(_) => Self::invalid(message),
            HubError::Denied(_) => Self::new(StatusCode::FORBIDDEN, "denied", message),
            HubError::UnknownTenant(_) => Self::unknown(message),
            HubError::Over => Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message),
            // The operator must act: the journal, the store or the machine is broken.
            HubError::Broken(_) | HubError::Store(_) | HubError::System(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "broken", message)
            }
        }
    }
}

impl From<Reject> for Failure {
    fn from(reject: Reject) -> Self {
        let message = reject.to_string();
        match reject {
            Reject::UnknownTenant(_) | Reject::UnknownOrder(_) => Self::unknown(message),
            Reject::UnknownResource(_)
            | Reject::AboveCeiling(_)
            | Reject::Quantity { .. }
            | Reject::Amount(_)
            | Reject::UtilityShape { .. }
            | Reject::UtilityWeights
            | Reject::AboveCapacity { .. } => Self::invalid(message),
            // The request is one; the market's or the tenant's state does not allow it now.
            _ => Self::new(StatusCode::CONFLICT, "refused", message),
        }
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        let message = error.to_string();
        match error {
            JobError::Unknown { .. } => Self::unknown(message),
            JobError::Invalid(_) => Self::invalid(message),
            JobError::Refused { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", message),
            JobError::Limit { .. } => Self::new(StatusCode::CONFLICT, "limit", message),
            JobError::System(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "broken", message),
            JobError::Draining => Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message),
        }
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        HubError::from(error).into()
    }
}

pub(crate) async fn no_route(uri: Uri) -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "no_route", format!("there is nothing at {}; see /openapi.json", uri.path()))
}

pub(crate) async fn no_method(method: Method, uri: Uri) -> Failure {
    let message = format!("{} does not take {method}; see /openapi.json", uri.path());
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "no_method", message)
}
