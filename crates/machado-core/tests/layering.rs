//! `lib.rs` lists the modules in the order in which they build on each other; the sources agree.

use std::path::Path;

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The modules that a source names after `crate::`, outside comments and tests.
fn used(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn modules_use_only_those_above_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = std::fs::read_to_string(src.join("lib.rs")).unwrap();
    let order: Vec<&str> =
        lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(order.len() > 10, "{order:?}");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut uses = 0;
    for (path, source) in &files {
        let relative = Path::new(path).strip_prefix(&src).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        if module == "lib" {
            continue;
        }
        let place = order.iter().position(|m| *m == module).expect("lib.rs lists it");
        for used in used(source) {
            let other = order.iter().position(|m| *m == used).unwrap_or_else(|| panic!("{used}"));
            assert!(other <= place, "{path} uses {used}, which stands below {module} in lib.rs");
            uses += 1;
        }
    }
    assert!(uses > 50, "only {uses} uses found: does this test still read the sources?");
}
