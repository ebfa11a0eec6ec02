//! The page, and all that belongs to it: files that lie in the program.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::api::Name;
use crate::app::App;
use crate::error::ApiError;

/// A file of the page.
struct File {
    name: &'static str,
    bytes: &'static [u8],
}

/// Files of the folder `page`.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(File { name: $name, bytes: include_bytes!(concat!("../page/", $name)) }),*]
    };
}

/// What a browser may load: nothing from elsewhere.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; object-src 'none'";

static FILES: &[File] = &files![
    "api.js",
    "bars.js",
    "chart.js",
    "coloured.js",
    "completion.js",
    "dom.js",
    "feature.js",
    "features.js",
    "fires.js",
    "howto.js",
    "icon.svg",
    "index.html",
    "language.js",
    "lesson-draw.js",
    "lesson-line.js",
    "lesson.js",
    "main.js",
    "map.js",
    "models.js",
    "notice.js",
    "sampling.js",
    "score.js",
    "settings.js",
    "sse.js",
    "steer-sliders.js",
    "steer.js",
    "story.js",
    "style.css",
    "tabs.js",
    "tokens.js",
    "training.js",
    "views.css",
    "words.js",
    "write-next.js",
    "write-versions.js",
    "write.js",
];

/// The page's routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { send("index.html", &headers) }))
        .route("/favicon.ico", get(|headers: HeaderMap| async move { send("icon.svg", &headers) }))
        .route("/page/{name}", get(file))
}

async fn file(Name(name): Name, headers: HeaderMap) -> Response {
    send(&name, &headers)
}

/// Sends a file, or says that the browser has it already.
fn send(name: &str, headers: &HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        let message = format!("there is no file {name} of the page");
        return ApiError::not_found("unknown_route", message).into_response();
    };
    let tag = file.tag();
    let answer = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CONTENT_TYPE, file.content_type()),
        (header::ETAG, &tag),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag.as_str()) {
        return (StatusCode::NOT_MODIFIED, answer).into_response();
    }
    (answer, file.bytes).into_response()
}

impl File {
    fn content_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }

    /// Changes when the file does.
    fn tag(&self) -> String {
        // FNV-1a: nobody gains by making two files collide.
        let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        format!("\"{:016x}\"", self.bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_of_the_folder_are_sent() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder of the page")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let sent: Vec<&str> = FILES.iter().map(|file| file.name).collect();
        assert_eq!(sent, names);
        assert!(FILES.iter().all(|file| file.content_type() != "application/octet-stream"));
    }

    /// Names of things that only say what they are, and are never loaded.
    const NAMES: [&str; 2] = ["http://www.w3.org/2000/svg", "http://127.0.0.1"];

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for file in FILES {
            let mut text = String::from_utf8(file.bytes.to_vec()).expect("text");
            NAMES.iter().for_each(|name| text = text.replace(name, ""));
            for word in ["http://", "https://", "//cdn", "@import", "eval(", "innerHTML"] {
                assert!(!text.contains(word), "{word} in {}", file.name);
            }
        }
    }
}
