//! Pictures of all views, for people to look at.

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::browser::Browser;
use crate::harness::Place;
use crate::serving::Serving;
use crate::views::{Colours, VIEWS, fill_views, resize, show};

#[test]
fn pictures_are_taken_where_somebody_wants_them() {
    let Some(folder) = env::var_os("MACHADO_SCREENSHOTS").map(PathBuf::from) else { return };
    let Some(browser) = Browser::start() else { return };
    fs::create_dir_all(&folder).unwrap();
    let place = Place::with_sae();
    // The model inside the program writes better than one that a test can train.
    let runs: [(&[&str], &[&str]); 2] = [
        (&[], &["write", "lesson", "score", "api"]),
        (&["--run", "run"], &["features", "training"]),
    ];
    for (args, views) in runs {
        let served = Serving::start(&place, args);
        browser.open(&served, "write");
        fill_views(&browser);
        for language in ["en", "pt"] {
            for view in views.iter().filter(|view| VIEWS.contains(view)) {
                show(&browser, view);
                for colours in Colours::ALL {
                    colours.choose(&browser);
                    for width in [1280, 390] {
                        resize(&browser, width);
                        let name = format!("{view}-{language}-{}-{width}.png", colours.name());
                        browser.screenshot(&folder.join(name));
                    }
                }
            }
            browser.click("#language");
        }
    }
}
