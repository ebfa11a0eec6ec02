//! The whole screen of a terminal: keys in, rows out.

use std::io::{Stdout, Write, stdout};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers,
};
use crossterm::style::{Attribute, Color, Print, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue, terminal};
use machado_core::predict::Candidate;
use machado_core::session::{Session, Until};

use super::command::{self, Command};
use super::desk::Desk;
use super::layout::{Row, Style, View, lay_out};
use super::show;
use crate::interrupt;

/// How long a key is waited for before it is looked whether somebody asked to stop.
const WAIT: Duration = Duration::from_millis(100);
/// The shortest time in which crossterm looks at all whether there is a key.
const GLANCE: Duration = Duration::from_millis(1);
/// Between two pictures while the model writes.
const FRAME: Duration = Duration::from_millis(33);
/// What an arrow key adds to the temperature.
const WARMER: f64 = 0.1;

const KEYS: &str =
    "↑↓ Enter pick  ←→ temperature  + type  w e . let write  u r undo redo  ? help  q";

/// Shows the session and obeys the keys until it is over.
pub(super) fn run(desk: &mut Desk) -> Result<()> {
    interrupt::listen();
    let _terminal = Terminal::open().context("cannot use the whole screen; try --plain")?;
    let mut screen = Screen::new();
    let mut go = Go::On;
    while go == Go::On && !interrupt::asked() {
        screen.draw(desk)?;
        match screen.next_event()? {
            Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                go = screen.key(desk, key)?;
            }
            Some(Event::Paste(text)) => screen.paste(&text),
            // A change of size, or somebody asked to stop: draw again, or end.
            _ => {}
        }
    }
    Ok(())
}

/// The terminal in the state that a full screen needs, and back however that ends.
struct Terminal;

impl Terminal {
    fn open() -> Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Otherwise the message would vanish with the screen.
            Self::close();
            before(panic);
        }));
        let terminal = Self;
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        Ok(terminal)
    }

    /// Nothing can be done about a terminal that is gone, so errors are of no interest.
    fn close() {
        let _ = execute!(stdout(), DisableBracketedPaste, cursor::Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            Self::close();
            drop(std::panic::take_hook());
        }
    }
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Go {
    On,
    Home,
}

/// What is asked for in the last row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Text,
    Temperature,
    File,
}

impl Question {
    fn words(self) -> &'static str {
        match self {
            Self::Text => "type",
            Self::Temperature => "temperature",
            Self::File => "save in",
        }
    }
}

/// What the keys mean now.
enum Mode {
    Choose,
    Help,
    Answer(Question, String),
}

struct Screen {
    out: Stdout,
    colour: bool,
    selected: usize,
    message: String,
    mode: Mode,
    /// Columns and rows when it was drawn last.
    size: (u16, u16),
}

impl Screen {
    fn new() -> Self {
        let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let message = String::new();
        Self { out: stdout(), colour, selected: 0, message, mode: Mode::Choose, size: (0, 0) }
    }

    /// The next event, or nothing if somebody asked to stop or the size has changed.
    fn next_event(&self) -> Result<Option<Event>> {
        // There is an event for a change of size as well, but none for one that came before the first
        // event was waited for.
        while !interrupt::asked() && terminal::size()? == self.size {
            if event::poll(WAIT)? {
                return Ok(Some(event::read()?));
            }
        }
        Ok(None)
    }

    fn key(&mut self, desk: &mut Desk, key: KeyEvent) -> Result<Go> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Ok(Go::Home);
        }
        self.message.clear();
        match &mut self.mode {
            Mode::Help => self.mode = Mode::Choose,
            Mode::Answer(question, text) => {
                let question = *question;
                match key.code {
                    KeyCode::Esc => self.mode = Mode::Choose,
                    KeyCode::Backspace => drop(text.pop()),
                    KeyCode::Char('u') if control => text.clear(),
                    KeyCode::Char(c) if !control => text.push(c),
                    KeyCode::Enter => {
                        let text = std::mem::take(text);
                        self.mode = Mode::Choose;
                        match answer(question, &text) {
                            Ok(Some(command)) => self.apply(desk, command)?,
                            Ok(None) => {}
                            Err(message) => self.message = message,
                        }
                    }
                    _ => {}
                }
            }
            Mode::Choose => return self.choose(desk, key.code, control),
        }
        Ok(Go::On)
    }

    fn choose(&mut self, desk: &mut Desk, code: KeyCode, control: bool) -> Result<Go> {
        let temperature = desk.session.sampler().temperature;
        let command = match code {
            KeyCode::Up => {
                self.selected = self.selected.saturating_sub(1);
                return Ok(Go::On);
            }
            KeyCode::Down => {
                let last = desk.candidates().len().saturating_sub(1);
                self.selected = (self.selected + 1).min(last);
                return Ok(Go::On);
            }
            KeyCode::Left => Command::Temperature(tenths(temperature - WARMER)),
            KeyCode::Right => Command::Temperature(tenths(temperature + WARMER)),
            KeyCode::Enter => Command::Pick(self.selected + 1),
            KeyCode::Backspace => Command::TakeBack(1),
            KeyCode::F(1) => return self.switch(Mode::Help),
            KeyCode::Char('z') if control => Command::Undo(1),
            KeyCode::Char('y' | 'r') if control => Command::Redo(1),
            KeyCode::Char('s') if !control && !desk.has_file() => {
                return self.switch(Mode::Answer(Question::File, String::new()));
            }
            KeyCode::Char('s') => Command::Save(None),
            KeyCode::Char('+' | 'i') => {
                return self.switch(Mode::Answer(Question::Text, String::new()));
            }
            KeyCode::Char('t') => {
                return self.switch(Mode::Answer(Question::Temperature, String::new()));
            }
            KeyCode::Char('?' | 'h') => return self.switch(Mode::Help),
            KeyCode::Char('q') => return Ok(Go::Home),
            KeyCode::Char('w') => Command::Write(None),
            KeyCode::Char('e') => Command::Write(Some(Until::Word)),
            KeyCode::Char('.') => Command::Write(Some(Until::Sentence)),
            KeyCode::Char('u') => Command::Undo(1),
            KeyCode::Char('r') => Command::Redo(1),
            KeyCode::Char('b') => Command::TakeBack(1),
            KeyCode::Char('0') => Command::Pick(10),
            KeyCode::Char(c @ '1'..='9') => Command::Pick(c as usize - '0' as usize),
            KeyCode::Char(c) => {
                self.message = format!("{c:?} means nothing here; ? shows the keys");
                return Ok(Go::On);
            }
            _ => return Ok(Go::On),
        };
        self.apply(desk, command)?;
        Ok(Go::On)
    }

    fn switch(&mut self, mode: Mode) -> Result<Go> {
        self.mode = mode;
        Ok(Go::On)
    }

    fn paste(&mut self, pasted: &str) {
        let pasted = pasted.replace("\r\n", "\n").replace('\r', "\n");
        // As it would have to be typed.
        let typed = pasted.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
        match &mut self.mode {
            Mode::Answer(Question::Text, text) => text.push_str(&typed),
            Mode::Answer(_, text) => text.push_str(pasted.trim()),
            _ => self.mode = Mode::Answer(Question::Text, typed),
        }
    }

    fn apply(&mut self, desk: &mut Desk, command: Command) -> Result<()> {
        if !matches!(command, Command::Temperature(_) | Command::Save(_)) {
            self.selected = 0;
        }
        let top = desk.top;
        let mut broken = Ok(());
        let mut drawn = Instant::now();
        let outcome = desk.apply(command, |session| {
            if drawn.elapsed() < FRAME {
                return true;
            }
            drawn = Instant::now();
            let drawn =
                self.picture(session, &session.candidates(top), "writing; any key stops it");
            drawn.and_then(|()| Ok(!stopped()?)).unwrap_or_else(|error| {
                broken = Err(error);
                false
            })
        });
        broken?;
        self.message = outcome.unwrap_or_else(|error| format!("{error:#}").replace('\n', "; "));
        Ok(())
    }

    fn draw(&mut self, desk: &Desk) -> Result<()> {
        let candidates = desk.candidates();
        self.selected = self.selected.min(candidates.len().saturating_sub(1));
        let footer = match &self.mode {
            Mode::Choose if self.message.is_empty() => KEYS.into(),
            Mode::Choose => self.message.clone(),
            Mode::Help => "any key goes back".into(),
            Mode::Answer(question, text) => {
                format!("{}: {text}▏  (Enter: done, Esc: never mind)", question.words())
            }
        };
        self.picture(&desk.session, &candidates, &footer)
    }

    fn picture(&mut self, session: &Session, candidates: &[Candidate], footer: &str) -> Result<()> {
        self.size = terminal::size()?;
        let (columns, height) = self.size;
        let view = View {
            text: &show::clean(&session.text()),
            candidates,
            drawing: show::drawing_of(session.sampler()),
            selected: self.selected,
            settings: &show::settings(session.sampler()),
            score: &show::score(session),
            footer: &show::clean(footer),
            help: matches!(self.mode, Mode::Help),
        };
        let rows = lay_out(&view, columns.into(), height.into());
        queue!(self.out, BeginSynchronizedUpdate)?;
        for (y, row) in (0..).zip(&rows) {
            queue!(self.out, cursor::MoveTo(0, y), Clear(ClearType::CurrentLine))?;
            self.print(row)?;
        }
        queue!(self.out, EndSynchronizedUpdate)?;
        Ok(self.out.flush()?)
    }

    fn print(&mut self, row: &Row) -> Result<()> {
        for (style, text) in row {
            match style {
                Style::Plain => {}
                Style::Dim => queue!(self.out, SetAttribute(Attribute::Dim))?,
                Style::Strong => queue!(self.out, SetAttribute(Attribute::Bold))?,
                Style::Chosen => queue!(self.out, SetAttribute(Attribute::Reverse))?,
                Style::Bar if self.colour => queue!(self.out, SetForegroundColor(Color::Cyan))?,
                Style::Bar => {}
            }
            queue!(self.out, Print(text), SetAttribute(Attribute::Reset))?;
        }
        Ok(())
    }
}

/// Whether a key was pressed, or somebody asked to stop, while the model was writing.
fn stopped() -> Result<bool> {
    while event::poll(GLANCE)? {
        if matches!(event::read()?, Event::Key(key) if key.kind != KeyEventKind::Release) {
            return Ok(true);
        }
    }
    Ok(interrupt::asked())
}

/// What an answer means; nothing if it is empty.
fn answer(question: Question, text: &str) -> Result<Option<Command>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(match question {
        Question::Text => Command::Type(command::unescape(text)?),
        Question::Temperature => command::temperature(text.trim())?,
        Question::File => Command::Save(Some(text.trim().into())),
    }))
}

/// A temperature of whole tenths that is not below 0.
fn tenths(temperature: f64) -> f64 {
    ((temperature * 10.0).round() / 10.0).max(0.0)
}
