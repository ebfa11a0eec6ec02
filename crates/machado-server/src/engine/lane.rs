//! Texts that are read and written side by side by one thread: the same model, changed in the same
//! way.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use machado_core::model::{StreamState, Streams};
use tokio::sync::mpsc::error::TrySendError;

use super::event::{Event, TokenScore};
use super::job::{Job, LaneKey, PromptScores, Writing};
use super::row::{Common, Row, Scorer, Sent};
use super::waiting::{Places, Waiting};

/// Tokens of prompts read between two tokens of the texts that are written, and of one prompt.
const PIECE: usize = 512;
const LONGEST_PIECE: usize = 128;

/// How long a text waits for a reader that takes nothing.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A lane.
#[derive(Debug)]
pub(super) struct Lane {
    key: LaneKey,
    reader: Streams,
    /// The state before the first token of a prompt.
    beginning: StreamState,
    /// Prompts that are read, a piece of each in turn.
    readings: VecDeque<Reading>,
    /// Prompts that are read, of which not all was sent.
    read: Vec<Reading>,
    writing: Streams,
    /// The texts that are written, in the order of the rows of `writing`.
    rows: Vec<Row>,
    /// Texts that join them at the next step.
    joining: Vec<Outside>,
    /// Texts that wait for their readers.
    aside: Vec<Outside>,
    scorer: Scorer,
    ids: Vec<u32>,
}

/// A prompt that is read.
#[derive(Debug)]
struct Reading {
    number: usize,
    prompt: Arc<[u32]>,
    /// Tokens read.
    read: usize,
    state: StreamState,
    /// The logits after these.
    logits: Vec<f32>,
    scores: PromptScores,
    /// Scores that were not sent yet.
    unsent: Vec<TokenScore>,
    since: Instant,
    /// Whether there was no room for what was to be sent last.
    is_full: bool,
    choices: Range<usize>,
    writing: Arc<Writing>,
    first: usize,
    common: Arc<Common>,
    places: Places,
}

/// A text that is no row now, and what it takes to become one.
#[derive(Debug)]
struct Outside {
    row: Row,
    state: StreamState,
    logits: Vec<f32>,
}

/// What becomes of a text after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The model reads this token.
    Read(u32),
    /// It waits for its reader.
    Aside,
    /// It is done.
    Leave,
}

impl Lane {
    pub fn new(key: LaneKey) -> Self {
        let mut reader = key.model.streams();
        let fits = reader.intervene(&key.interventions, &key.model.model);
        fits.expect("interventions that were checked when they were made");
        let mut writing = reader.another();
        let beginning = writing.state();
        writing.leave_all();
        let scorer = Scorer::new(key.model.unit);
        Self {
            key,
            reader,
            beginning,
            readings: VecDeque::new(),
            read: Vec::new(),
            writing,
            rows: Vec::new(),
            joining: Vec::new(),
            aside: Vec::new(),
            scorer,
            ids: Vec::new(),
        }
    }

    pub fn key(&self) -> &LaneKey {
        &self.key
    }

    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
            && self.read.is_empty()
            && self.rows.is_empty()
            && self.joining.is_empty()
            && self.aside.is_empty()
    }

    /// Whether there is nothing to do but to wait for readers.
    pub fn only_waits(&self) -> bool {
        let none_writes = self.rows.is_empty() && self.joining.is_empty();
        none_writes && self.readings.iter().chain(&self.read).all(|reading| reading.is_full)
    }

    pub fn add(&mut self, job: Job, places: Places) {
        let common = Common {
            wanted: job.wanted,
            pace: job.pace,
            space_is_there: job.space_is_there,
            events: job.events,
        };
        self.readings.push_back(Reading {
            number: job.number,
            prompt: job.prompt,
            read: 0,
            state: self.beginning.clone(),
            logits: Vec::new(),
            scores: job.prompt_scores,
            unsent: Vec::new(),
            since: Instant::now(),
            is_full: false,
            choices: job.choices,
            writing: job.writing,
            first: job.first,
            common: Arc::new(common),
            places,
        });
    }

    /// Whether it has prompts to read.
    pub fn has_prompts(&self) -> bool {
        !self.readings.is_empty()
    }

    /// Writes one token of each text, and reads a piece of its prompts if it is its turn. Returns how
    /// many tokens of prompts were read and how many were written.
    pub fn step(&mut self, now: Instant, waiting: &Arc<Waiting>, reads: bool) -> [usize; 2] {
        self.call_back(now, waiting);
        let read = if reads { self.read(now) } else { 0 };
        self.begin_read(now);
        [read, self.write(now)]
    }

    /// Reads a piece of some prompts side by side: of the one whose turn it is, and of those behind it
    /// that have as much left and want the same.
    fn read(&mut self, now: Instant) -> usize {
        let mut group: Vec<Reading> = Vec::new();
        let (mut steps, mut wanted) = (0, PromptScores::None);
        for _ in 0..self.readings.len() {
            let mut reading = self.readings.pop_front().expect("there are so many");
            match reading.send(now) {
                Sent::Gone => continue,
                Sent::Full => {
                    self.readings.push_back(reading);
                    continue;
                }
                Sent::Yes => {}
            }
            if group.is_empty() {
                steps = reading.left().min(LONGEST_PIECE);
                wanted = reading.scores;
            } else if reading.left() < steps || reading.scores != wanted {
                self.readings.push_back(reading);
                continue;
            }
            group.push(reading);
            if (group.len() + 1) * steps > PIECE {
                break;
            }
        }
        if group.is_empty() {
            return 0;
        }
        self.read_together(&mut group, steps);
        let tokens = steps * group.len();
        for reading in group {
            if reading.left() > 0 {
                // Behind those that wait.
                self.readings.push_back(reading);
            } else {
                self.read.push(reading);
            }
        }
        tokens
    }

    /// Reads the next `steps` tokens of each prompt of a group.
    fn read_together(&mut self, group: &mut [Reading], steps: usize) {
        self.reader.leave_all();
        group.iter().for_each(|reading| self.reader.join(&reading.state));
        let rows = group.len();
        self.ids.clear();
        for step in 0..steps {
            self.ids.extend(group.iter().map(|reading| reading.prompt[reading.read + step]));
        }
        if let PromptScores::Each(wanted) = group[0].scores {
            let scorer = &mut self.scorer;
            for reading in group.iter_mut() {
                let before = (reading.read > 0).then_some(&reading.logits[..]);
                let id = reading.prompt[reading.read];
                reading.unsent.push(scorer.score(before, id, wanted));
            }
            self.reader.read_each(&self.ids, |place, logits| {
                let (step, reading) = (place / rows, &mut group[place % rows]);
                // What comes after the last one is scored when it is read.
                if step + 1 < steps {
                    let id = reading.prompt[reading.read + step + 1];
                    reading.unsent.push(scorer.score(Some(logits), id, wanted));
                }
            });
        } else {
            self.reader.read(&self.ids);
        }
        for (row, reading) in group.iter_mut().enumerate() {
            reading.read += steps;
            reading.state = self.reader.state_of(row);
            reading.logits.clear();
            reading.logits.extend_from_slice(self.reader.logits(row));
        }
    }

    /// Begins the texts of prompts that are read, once all that was found out of them is sent.
    fn begin_read(&mut self, now: Instant) {
        for mut reading in std::mem::take(&mut self.read) {
            match reading.send(now) {
                Sent::Full => self.read.push(reading),
                Sent::Gone => {}
                Sent::Yes => self.begin(reading, now),
            }
        }
    }

    /// Begins the texts of a prompt.
    fn begin(&mut self, mut reading: Reading, now: Instant) {
        for (place, number) in reading.choices.enumerate() {
            let unit = self.key.model.unit;
            let writer = reading.writing.writer(unit, &reading.prompt, reading.first + place);
            let place = reading.places.split_one();
            let row = Row::new(reading.common.clone(), number, writer, place, now);
            let (state, logits) = (reading.state.clone(), reading.logits.clone());
            self.joining.push(Outside { row, state, logits });
        }
    }

    /// Writes one token of each text.
    fn write(&mut self, now: Instant) -> usize {
        if self.rows.is_empty() && self.joining.is_empty() {
            return 0;
        }
        let tokenizer = &self.key.model.model.tokenizer;
        let mut written = 0;
        let mut write = |row: &mut Row, logits: &[f32]| {
            if row.is_ahead() && row.send(now) == Sent::Full {
                return Next::Aside;
            }
            let id = row.write(logits, tokenizer, &mut self.scorer);
            written += 1;
            match row.send_if_due(now) {
                Sent::Gone => Next::Leave,
                Sent::Yes if row.is_finished() => Next::Leave,
                Sent::Full if row.is_finished() => Next::Aside,
                Sent::Yes | Sent::Full => Next::Read(id),
            }
        };
        let of_rows: Vec<Next> = (self.rows.iter_mut().enumerate())
            .map(|(number, row)| write(row, self.writing.logits(number)))
            .collect();
        let mut joining = std::mem::take(&mut self.joining);
        let of_joining: Vec<Next> =
            joining.iter_mut().map(|outside| write(&mut outside.row, &outside.logits)).collect();

        // What they take along is there until the first one leaves.
        let take_along = |number: usize| {
            (number, self.writing.state_of(number), self.writing.logits(number).to_vec())
        };
        let set_aside = (0..of_rows.len()).filter(|&number| of_rows[number] == Next::Aside);
        let mut asides: Vec<(usize, StreamState, Vec<f32>)> = set_aside.map(take_along).collect();
        self.ids.clear();
        self.ids.resize(of_rows.len(), 0);
        // From the last one on, so that whoever takes the place of one that leaves is done already.
        for (number, next) in of_rows.into_iter().enumerate().rev() {
            if let Next::Read(id) = next {
                self.ids[number] = id;
                continue;
            }
            let mut row = self.rows.swap_remove(number);
            self.ids.swap_remove(number);
            self.writing.leave(number);
            if let Some((_, state, logits)) = asides.pop_if(|aside| aside.0 == number) {
                row.leave_place();
                self.aside.push(Outside { row, state, logits });
            }
        }
        for (mut outside, next) in joining.into_iter().zip(of_joining) {
            match next {
                Next::Read(id) => {
                    self.writing.join(&outside.state);
                    self.rows.push(outside.row);
                    self.ids.push(id);
                }
                Next::Aside => {
                    outside.row.leave_place();
                    self.aside.push(outside);
                }
                Next::Leave => {}
            }
        }
        if !self.ids.is_empty() {
            self.writing.read(&self.ids);
        }
        written
    }

    /// Lets texts go on whose readers have room again.
    fn call_back(&mut self, now: Instant, waiting: &Arc<Waiting>) {
        for place in (0..self.aside.len()).rev() {
            let row = &mut self.aside[place].row;
            let sent = row.send(now);
            if sent == Sent::Full && now.saturating_duration_since(row.sent_at()) < LONGEST_WAIT {
                continue;
            }
            let mut outside = self.aside.swap_remove(place);
            if sent == Sent::Yes && !outside.row.is_finished() {
                outside.row.take_place(waiting);
                self.joining.push(outside);
            }
        }
    }
}

impl Reading {
    /// Tokens that are not read yet.
    fn left(&self) -> usize {
        self.prompt.len() - self.read
    }

    /// Sends what was found out of the prompt.
    fn send(&mut self, now: Instant) -> Sent {
        let job = self.number;
        let events = &self.common.events;
        if events.is_closed() {
            return Sent::Gone;
        }
        let event = if !self.unsent.is_empty() {
            Event::Scored { job, tokens: std::mem::take(&mut self.unsent) }
        } else if self.scores == PromptScores::Next && self.left() == 0 {
            Event::Next { logits: self.logits.clone() }
        } else {
            return Sent::Yes;
        };
        match events.try_send(event) {
            Ok(()) => {
                (self.since, self.is_full) = (now, false);
                Sent::Yes
            }
            Err(TrySendError::Closed(_)) => Sent::Gone,
            Err(TrySendError::Full(event)) => {
                self.is_full = true;
                if let Event::Scored { tokens, .. } = event {
                    self.unsent = tokens;
                }
                let waits = now.saturating_duration_since(self.since);
                if waits < LONGEST_WAIT { Sent::Full } else { Sent::Gone }
            }
        }
    }
}
