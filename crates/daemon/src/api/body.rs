//! Bodies, paths and queries, read strictly, with our own answers to those that are wrong.

use super::failure::Failure;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse as _;
use serde::de::DeserializeOwned;

fn failure(status: StatusCode, message: String) -> Failure {
    let error = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "media_type",
        _ => "invalid",
    };
    Failure::new(status, error, message)
}

/// A JSON body.
pub(crate) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(json(&rejection)),
        }
    }
}

fn json(rejection: &JsonRejection) -> Failure {
    failure(rejection.status(), rejection.body_text())
}

/// Parts of the path.
pub(crate) struct PathPart<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathPart<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            // A number that is none, or out of range, names nothing.
            Err(rejection) => Err(failure(StatusCode::NOT_FOUND, rejection.body_text())),
        }
    }
}

/// The query.
pub(crate) struct QueryPart<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryPart<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(failure(StatusCode::UNPROCESSABLE_ENTITY, rejection.body_text())),
        }
    }
}

/// The bytes of a body, up to the route's limit.
pub(crate) struct Bytes(pub axum::body::Bytes);

impl<S: Send + Sync> FromRequest<S> for Bytes {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match axum::body::Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) => {
                let status = rejection.into_response().status();
                Err(failure(status, "the body is larger than this route takes, or was cut off".to_owned()))
            }
        }
    }
}
