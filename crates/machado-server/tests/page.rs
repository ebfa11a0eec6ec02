//! The page and what describes the API.

use crate::common::server;

#[test]
fn the_page_is_whole_and_may_load_nothing_from_elsewhere() {
    let page = server().get("/");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    let names = page.text.split("page/").skip(1);
    let names: Vec<&str> = names.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        assert_eq!(server().get(&format!("/page/{name}")).status, 200, "{name}");
    }
}

/// Every route is described, and what is described is a route.
#[test]
fn the_description_knows_every_route() {
    let api = server().get("/openapi.json").json();
    let paths = api["paths"].as_object().unwrap();
    for path in ["/v1/completions", "/v1/models", "/v1/probs", "/v1/score", "/tokenize", "/health"]
    {
        assert!(paths.contains_key(path), "{path}");
    }
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace("{id}", "char");
            let answer = match &method[..] {
                "get" => server().get(&path),
                _ => server().post_bytes(&path, b""),
            };
            let code = answer.header("content-type") == Some("application/json");
            let unknown = code && answer.json()["error"]["code"] == "unknown_route";
            assert!(!unknown && answer.status != 405, "{method} {path}: {}", answer.status);
        }
    }
}
