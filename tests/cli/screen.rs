use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::Screen;

use crate::harness::{Place, TINY, program, text};

/// The program on a terminal of its own, which is read into a picture.
struct Terminal {
    master: Box<dyn MasterPty>,
    keys: Box<dyn Write>,
    bytes: Receiver<Vec<u8>>,
    picture: vt100::Parser,
    child: Box<dyn Child + Send + Sync>,
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, ..PtySize::default() }
}

fn number(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

impl Terminal {
    fn new(place: &Place, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(size(24, 80)).unwrap();
        let mut command = CommandBuilder::new(program());
        command.args(args);
        command.cwd(place.path(""));
        command.env("TERM", "xterm-256color");
        for name in ["MACHADO_MODEL", "MACHADO_THREADS", "MACHADO_VECTOR_UNIT", "NO_COLOR"] {
            command.env_remove(name);
        }
        environment.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // On Linux a terminal that nobody writes to any more is an error, elsewhere the end.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        let picture = vt100::Parser::new(number(24), number(80), 0);
        Self { master: pair.master, keys, bytes, picture, child }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn contents(&self) -> String {
        self.picture.screen().contents()
    }

    /// Reads until the screen is as expected.
    fn see(&mut self, what: &str, is_there: impl Fn(&Screen) -> bool) {
        while !is_there(self.picture.screen()) {
            match self.bytes.recv_timeout(Duration::from_secs(20)) {
                Ok(bytes) => self.picture.process(&bytes),
                Err(_) => panic!("{what} never came:\n{}", self.contents()),
            }
        }
    }

    fn see_text(&mut self, text: &str) {
        self.see(text, |screen| screen.contents().contains(text));
    }

    fn resize(&mut self, rows: u16, cols: u16) {
        self.picture.screen_mut().set_size(number(rows), number(cols));
        self.master.resize(size(rows, cols)).unwrap();
    }

    /// Waits for the end; the terminal is as it was before, with this text on it.
    fn ends_with(mut self, text: &str) {
        self.see(text, |screen| !screen.alternate_screen() && screen.contents().contains(text));
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status:?}");
        let screen = self.picture.screen();
        assert!(!screen.hide_cursor() && !screen.bracketed_paste());
    }
}

#[test]
fn keys_pick_type_undo_and_change_the_temperature() {
    let place = Place::new();
    let mut terminal = Terminal::new(&place, &["write", "A menina estav"], &[]);
    terminal.see_text("A menina estav▏");
    terminal.see_text("? help");
    let contents = terminal.contents();
    let rows: Vec<&str> = contents.lines().collect();
    assert_eq!(rows[0], "machado write · temperature 1");
    assert!(rows[12].starts_with("▸ 1  \"a\"  ") && rows[12].contains("0.98"), "{contents}");
    assert!(rows[21].starts_with("  0  \""), "{contents}");
    assert!(terminal.picture.screen().cell(12, 0).unwrap().inverse());
    terminal.press("1");
    terminal.see_text("A menina estava▏");
    terminal.press("+ só.\\nE");
    terminal.see_text("type:  só.\\nE▏");
    terminal.press("\r");
    terminal.see_text("A menina estava só.\n");
    terminal.press("u");
    terminal.see_text("1 step undone");
    terminal.see_text("A menina estava▏");
    terminal.press("\x1b[D\x1b[D");
    terminal.see_text("temperature 0.8");
    terminal.press("t0\r");
    terminal.see_text(" drawn  █");
    terminal.press("x");
    terminal.see_text("'x' means nothing here; ? shows the keys");
    terminal.press("?");
    terminal.see_text("the model writes to the end of a word");
    terminal.press("\x1b");
    terminal.see_text("A menina estava▏");
    // Pasted text waits for Enter.
    terminal.press("\x1b[200~ ali\n\x1b[201~");
    terminal.see_text("type:  ali\\n▏");
    terminal.press("\x1b");
    terminal.see_text("? help");
    terminal.press("q");
    terminal.ends_with("A menina estava");
}

#[test]
fn the_model_writes_on_and_the_text_is_saved_with_a_key() {
    let place = Place::new();
    let args = ["write", "o mar ", "--seed", "7", "-n", "30"];
    let generated = place.stdout(&["generate", "o mar ", "--seed", "7", "-n", "30"]);
    let start: String = generated.chars().take(20).collect();
    let mut terminal = Terminal::new(&place, &args, &[]);
    terminal.see_text("o mar ▏");
    terminal.press("w");
    terminal.see_text("wrote 30 tokens");
    terminal.see_text(start.lines().next().unwrap());
    terminal.press("sa.txt\r");
    terminal.see_text("saved in a.txt");
    assert_eq!(place.text("a.txt"), generated);
    terminal.press("\x7f");
    terminal.see_text("1 token taken back");
    // Ctrl-C ends as well, and the text comes all the same.
    terminal.press("\x03");
    terminal.ends_with(start.lines().next().unwrap());
    let left: String = generated.chars().take(35).collect();
    assert_eq!(place.text("a.txt"), format!("{left}\n"));
}

/// Single bytes are tokens of parts of words, and at such a temperature all of them come.
#[test]
fn no_model_tells_a_terminal_what_to_do() {
    let place = Place::new();
    place.write("text.txt", text());
    let args = ["train", "text.txt", "--out", "run", "--tokenizer", "bpe", "--max-vocab", "300"];
    place.machado(&args).args(TINY).assert().success();
    let obeyed = |c: char| c.is_control() && !"\r\n\t".contains(c);
    let wild = ["A \u{1b}[2J\u{7f}", "--model", "run", "-t", "1000", "--seed", "1", "-n", "500"];
    for more in [&[][..], &["--samples", "2"], &["--json"]] {
        let args = [&["generate"], &wild[..], more].concat();
        let piped = place.stdout(&args);
        assert!(piped.contains(obeyed), "nothing to hide: {piped:?}");
        let terminal = Terminal::new(&place, &args, &[]);
        let mut shown = Vec::new();
        while let Ok(bytes) = terminal.bytes.recv_timeout(Duration::from_secs(20)) {
            shown.extend(bytes);
        }
        let shown = String::from_utf8(shown).unwrap();
        assert!(!shown.contains(obeyed) && shown.contains("\\u"), "{shown:?}");
    }
}

#[test]
fn every_size_of_a_screen_is_used_and_colours_can_be_left_out() {
    let place = Place::new();
    let mut terminal = Terminal::new(&place, &["write", "A menina estav"], &[("NO_COLOR", "1")]);
    terminal.see_text("A menina estav▏");
    for (rows, columns) in [(10, 40), (4, 12), (1, 1), (2, 3), (50, 150), (24, 80)] {
        terminal.resize(rows, columns);
        if rows >= 10 {
            let mark = "? help";
            let rule = "─".repeat(columns.into());
            terminal.see(mark, |screen| {
                let last: Vec<String> = screen.rows(0, columns).collect();
                last.contains(&rule) && last[0].starts_with("machado write")
            });
        }
    }
    let screen = terminal.picture.screen();
    let plain = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
    for (row, column) in plain {
        let colour = screen.cell(row, column).unwrap().fgcolor();
        assert_eq!(colour, vt100::Color::Default, "{row}, {column}");
    }
    terminal.press("q");
    terminal.ends_with("A menina estav");
}

/// As a window does that is closed, or a system that shuts down.
#[cfg(unix)]
#[test]
fn a_request_to_terminate_leaves_a_usable_terminal_and_the_text() {
    let place = Place::new();
    let mut terminal = Terminal::new(&place, &["write", "A menina estav", "--out", "a.txt"], &[]);
    terminal.see_text("A menina estav▏");
    terminal.press("1");
    terminal.see_text("A menina estava▏");
    let id = terminal.child.process_id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    terminal.ends_with("A menina estava");
    assert_eq!(place.text("a.txt"), "A menina estava\n");
}
