use std::env;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::error::WebDriverErrorInner;
use thirtyfour::prelude::*;
use thirtyfour::{ChromeCapabilities, LoggingPrefsLogLevel};
use tokio::runtime::{self, Runtime};

use crate::serving::{Serving, find_line};

/// After how long something that should happen counts as not happening, on a machine with other work.
const DEADLINE: Duration = Duration::from_secs(45);

/// The names that Chromium has, the first one being Debian's.
const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
const CHROMEDRIVER: [&str; 1] = ["chromedriver"];

/// A browser with one page. All ends when this is dropped.
pub(crate) struct Browser {
    // In this order they are dropped.
    driver: Option<WebDriver>,
    _chromedriver: Chromedriver,
    _profile: TempDir,
    runtime: Runtime,
}

struct Chromedriver(Child);

impl Drop for Chromedriver {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Browser {
    /// A browser without memory of another one, or None where there is no browser on this machine.
    pub(crate) fn start() -> Option<Self> {
        let found = program(&CHROMIUM).and_then(|a| Ok((a, program(&CHROMEDRIVER)?)));
        let (chromium, chromedriver) = found.map_err(skip).ok()?;
        let mut child = Command::new(chromedriver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let chromedriver = Chromedriver(child);
        let (port, said, _) = find_line(stdout, |line| {
            let port = line.split("started successfully on port ").nth(1)?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let Some(port) = port else { panic!("chromedriver did not start: {said}") };
        let profile = TempDir::new().unwrap();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let capabilities = capabilities(&chromium, profile.path());
        let driver = runtime.block_on(async {
            let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities)
                .request_timeout(2 * DEADLINE)
                .connect()
                .await?;
            driver.set_script_timeout(2 * DEADLINE).await?;
            driver.set_page_load_timeout(DEADLINE).await?;
            WebDriverResult::Ok(driver)
        });
        let driver = Some(driver.unwrap());
        Some(Self { driver, _chromedriver: chromedriver, _profile: profile, runtime })
    }

    /// Opens the page of a server, at one of its views, and waits until the model is there.
    pub(crate) fn open(&self, served: &Serving, view: &str) {
        self.go(&format!("{}#{view}", served.page()));
        self.wait("document.querySelector('#model-facts').textContent.includes('·')");
    }

    pub(crate) fn go(&self, address: &str) {
        // Where only the part behind the # is another one, nothing would be loaded.
        self.block(async {
            self.driver().goto("about:blank").await?;
            self.driver().goto(address).await
        });
    }

    pub(crate) fn reload(&self) {
        self.block(self.driver().refresh());
    }

    /// The value of a JavaScript expression, which may be a promise.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             Promise.resolve().then(() => ({expression}))
               .then((value) => done([value ?? null]), (error) => done(String(error)));"
        );
        match self.script(&script) {
            Value::Array(mut one) => one.remove(0),
            error => panic!("{error} in {expression}"),
        }
    }

    /// Waits until a JavaScript expression is true, or anything but nothing, and returns it.
    #[track_caller]
    pub(crate) fn wait(&self, condition: &str) -> Value {
        let milliseconds = DEADLINE.as_millis();
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const until = performance.now() + {milliseconds};
             let value, problem = '';
             (async function look() {{
               try {{ value = await ({condition}); }} catch (error) {{ value = null; problem = String(error); }}
               if (value) done([value]);
               else if (performance.now() < until) setTimeout(look, 20);
               else done(problem);
             }})();"
        );
        match self.script(&script) {
            Value::Array(mut one) => one.remove(0),
            problem => panic!("never true: {condition} {problem}\n{}", self.state()),
        }
    }

    /// What the API answers to a question of the page's own.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.value(&format!("(async () => (await fetch({})).json())()", json!(path)))
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let options = json!({
            "method": "POST",
            "headers": { "content-type": "application/json" },
            "body": body.to_string(),
        });
        self.value(&format!("(async () => (await fetch({}, {options})).json())()", json!(path)))
    }

    /// The text of an element, as it is seen.
    #[track_caller]
    pub(crate) fn text(&self, css: &str) -> String {
        let text = self.value(&format!("document.querySelector({}).innerText", json!(css)));
        text.as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        self.act(css, async |element| element.click().await);
    }

    /// Types into a field, in the place of what stands there.
    #[track_caller]
    pub(crate) fn fill(&self, css: &str, text: &str) {
        // A modifier is held until Null.
        let all = Key::Control + "a" + Key::Null;
        self.send(css, if text.is_empty() { all + Key::Delete } else { all + text });
    }

    /// Presses keys in an element, which gets the focus.
    #[track_caller]
    pub(crate) fn send(&self, css: &str, keys: impl Into<TypingData>) {
        let keys: String = keys.into().to_string();
        self.act(css, async |element| element.send_keys(&keys).await);
    }

    /// Moves the pointer over an element.
    #[track_caller]
    pub(crate) fn point_at(&self, css: &str) {
        self.act(css, async |element| {
            element.scroll_into_view().await?;
            self.driver().action_chain().move_to_element_center(&element).perform().await
        });
    }

    /// Does something with an element, as soon as it is there.
    #[track_caller]
    fn act(&self, css: &str, action: impl AsyncFn(WebElement) -> WebDriverResult<()>) {
        use WebDriverErrorInner::{NoSuchElement, StaleElementReference};
        let until = Instant::now() + DEADLINE;
        loop {
            let done = self
                .runtime
                .block_on(async { action(self.driver().find(By::Css(css)).await?).await });
            let Err(error) = done else { return };
            // Not there yet, or drawn again between looking and clicking.
            let early = matches!(error.as_inner(), NoSuchElement(_) | StaleElementReference(_));
            if !early || Instant::now() > until {
                panic!("nothing can be done with {css}: {error}\n{}", self.state());
            }
        }
    }

    /// Presses keys wherever the focus is.
    pub(crate) fn press(&self, keys: impl Into<TypingData>) {
        self.block(async { self.driver().active_element().await?.send_keys(keys).await });
    }

    /// From now on keeps the addresses that the page asks, for `requests`.
    pub(crate) fn count_requests(&self) {
        self.value(
            "(() => {
               window.asked = [];
               const { fetch } = window;
               window.fetch = (where, ...rest) => {
                 window.asked.push(String(where));
                 return fetch(where, ...rest);
               };
             })()",
        );
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        serde_json::from_value(self.value("window.asked")).unwrap()
    }

    /// A command of Chromium's own protocol.
    pub(crate) fn devtools(&self, method: &str, parameters: Value) -> Value {
        self.block(self.driver().cdp().send_raw(method, parameters))
    }

    /// What came into a log of chromedriver's since the last time.
    pub(crate) fn log(&self, name: &str) -> Vec<String> {
        let entries = self.block(self.driver().get_log(name));
        entries.into_iter().map(|entry| entry.message).collect()
    }

    pub(crate) fn screenshot(&self, path: &Path) {
        self.block(self.driver().screenshot(path));
    }

    /// What there is to see, for the message of a test that failed.
    fn state(&self) -> String {
        let script = "return document.URL + '\\n' + document.body.innerText";
        let seen = self.runtime.block_on(self.driver().execute(script, Vec::new()));
        let seen = seen.map(|seen| seen.json().as_str().unwrap_or_default().to_owned());
        let mut state = format!("the page says: {}", seen.unwrap_or_default());
        let log = self.runtime.block_on(self.driver().browser_log());
        for entry in log.unwrap_or_default() {
            write!(state, "\nconsole: {}", entry.message).unwrap();
        }
        state
    }

    #[track_caller]
    fn script(&self, script: &str) -> Value {
        self.block(async {
            Ok(self.driver().execute_async(script, Vec::new()).await?.json().clone())
        })
    }

    #[track_caller]
    fn block<T>(&self, work: impl Future<Output = WebDriverResult<T>>) -> T {
        match self.runtime.block_on(work) {
            Ok(value) => value,
            Err(error) => panic!("the browser does not: {error}"),
        }
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("it is taken when all ends")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session. Were chromedriver killed first, its pipe to Chromium would
        // break, which ends Chromium, too.
        if let Some(driver) = self.driver.take() {
            drop(self.runtime.block_on(driver.quit()));
        }
    }
}

fn capabilities(chromium: &Path, profile: &Path) -> ChromeCapabilities {
    let mut capabilities = ChromeCapabilities::new();
    let arguments = [
        "--headless=new",
        // The tests may run as root, in a container.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--remote-debugging-pipe",
        "--window-size=1280,900",
        "--lang=en-US",
        // Nothing but what the page asks for.
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ];
    for argument in arguments {
        capabilities.add_arg(argument).unwrap();
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.display())).unwrap();
    capabilities.set_binary(&chromium.to_string_lossy()).unwrap();
    for log in ["browser", "performance"] {
        capabilities.set_logging_prefs(log, LoggingPrefsLogLevel::All).unwrap();
    }
    capabilities
}

/// The first of some programs that is there.
fn program(names: &[&str]) -> Result<PathBuf, String> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&folders).collect();
    let all = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|path| path.is_file()).ok_or_else(|| names.join(" or "))
}

/// Says that there is no browser; past the test's capture, so that it is seen.
fn skip(missing: String) {
    let required = env::var_os("MACHADO_BROWSER").is_some_and(|value| value == "required");
    assert!(!required, "{missing} is not installed, and MACHADO_BROWSER=required");
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let line =
            format!("skipped: the tests in a browser need {missing}, which is not installed");
        // What eprintln! says is kept by the test's capture.
        let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
    });
}
