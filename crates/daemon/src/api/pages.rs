//! The dashboard's files, compiled in, and the OpenAPI document.

use super::Api;
use super::caller::AsViewer;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

const HTML: &str = include_str!("../dashboard/index.html");
const STYLE: &str = include_str!("../dashboard/style.css");
const SCRIPT: &str = include_str!("../dashboard/script.js");
const ICON: &str = include_str!("../dashboard/icon.svg");

/// The pages. They hold nothing secret: what they show, they fetch with the viewer's token.
pub(crate) fn routes(document: Arc<str>) -> Router<Api> {
    let file =
        |kind: &'static str, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
    Router::new()
        .route("/", file("text/html; charset=utf-8", HTML))
        .route("/style.css", file("text/css; charset=utf-8", STYLE))
        .route("/script.js", file("text/javascript; charset=utf-8", SCRIPT))
        .route("/icon.svg", file("image/svg+xml", ICON))
        .route(
            "/openapi.json",
            get(move |State(_): State<Api>, _: AsViewer| {
                let document = document.to_string();
                async move { ([(header::CONTENT_TYPE, "application/json")], document).into_response() }
            }),
        )
}
