//! Mixed load with faults for a while: is each answer right, and does memory stay where it was?

mod bad;
mod burst;
mod good;
mod leaving;
mod memory;
mod outcome;
mod tally;
mod visitor;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::figures::{CpuClock, grouped};
use memory::Memory;
use outcome::Outcome;
use tally::Tally;
use visitor::Visitor;

/// Time that the server has to forget who has left.
const QUIET: Duration = Duration::from_secs(20);
const REPORT: Duration = Duration::from_secs(60);
/// After which memory has seen the most connections that there will be.
const TWO_BURSTS: Duration = Duration::from_secs(45);
/// Growth of memory that counts as flat.
const FLAT: f64 = 0.10;
/// Descriptors that may be open at the end in excess of those at the beginning.
const FEW_DESCRIPTORS: i64 = 16;

#[derive(clap::Args)]
pub(crate) struct Settings {
    /// The server, such as http://127.0.0.1:8080
    #[arg(long)]
    url: String,
    /// The server's process, whose memory is watched
    #[arg(long)]
    pid: Option<u32>,
    /// How long
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Minutes after which memory is to stay flat [default: a tenth of the time, but two bursts]
    #[arg(long)]
    warm_up: Option<f64>,
    /// Clients that ask what a server is for
    #[arg(long, default_value_t = 8)]
    good: usize,
    /// Clients that send what no server should answer with 200, or leave
    #[arg(long, default_value_t = 4)]
    faulty: usize,
    /// Clients that take their time to send or to read
    #[arg(long, default_value_t = 6)]
    slow: usize,
    /// Connections that are opened at once, twice a minute; 0 for none
    #[arg(long, default_value_t = 1000)]
    burst: usize,
    /// The longest pause of a client between two requests, in milliseconds
    #[arg(long, default_value_t = 40)]
    pause_ms: u64,
    /// The same seed sends the same requests, if not at the same times
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Something that a client does, and how often in comparison to others.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    weight: usize,
    run: fn(&mut Visitor) -> Outcome,
}

/// What all threads share.
struct Soak {
    address: SocketAddr,
    over: AtomicBool,
    tally: Mutex<Tally>,
    pause: Duration,
    seed: u64,
}

pub(crate) fn run(settings: &Settings) -> Result<bool> {
    let address = crate::address(&settings.url)?;
    let soak = Soak {
        address,
        over: AtomicBool::new(false),
        tally: Mutex::default(),
        pause: Duration::from_millis(settings.pause_ms),
        seed: settings.seed,
    };
    let time = Duration::from_secs_f64(60.0 * settings.minutes);
    let warm_up = settings.warm_up.map_or_else(
        || (time / 10).max(TWO_BURSTS).min(time / 2),
        |minutes| Duration::from_secs_f64(60.0 * minutes),
    );
    if warm_up >= time {
        bail!("a warm-up of {warm_up:?} is not over before the whole, {time:?}");
    }
    let faulty = [bad::KINDS, leaving::QUICK].concat();
    let groups =
        [(good::KINDS, settings.good), (&faulty, settings.faulty), (leaving::SLOW, settings.slow)];
    let cpu = CpuClock::start(settings.pid);
    let mut memory = Memory::new(settings.pid);
    std::thread::scope(|scope| -> Result<()> {
        let soak = &soak;
        let mut number = 0;
        for (kinds, clients) in groups {
            for _ in 0..clients {
                number += 1;
                let visitor = Visitor::new(address, settings.seed, number);
                scope.spawn(move || soak.keep_on(kinds, visitor));
            }
        }
        if settings.burst > 0 {
            scope.spawn(move || soak.bursts(settings.burst));
        }
        let watched = soak.watch(&mut memory, time, warm_up);
        soak.over.store(true, Ordering::Relaxed);
        watched
    })?;
    let free = free_again(address);
    memory.sample();
    Ok(soak.report(&memory, &free, &cpu))
}

impl Soak {
    fn keep_on(&self, kinds: &[Kind], mut visitor: Visitor) {
        let all: usize = kinds.iter().map(|kind| kind.weight).sum();
        while !self.over.load(Ordering::Relaxed) {
            let mut at = visitor.random.below(all);
            for kind in kinds {
                if at < kind.weight {
                    let outcome = (kind.run)(&mut visitor);
                    self.count(kind.name, outcome);
                    break;
                }
                at -= kind.weight;
            }
            std::thread::sleep(visitor.random.time(self.pause));
        }
    }

    fn bursts(&self, connections: usize) {
        let mut seed = self.seed;
        let mut next = Instant::now() + burst::PAUSE / 3;
        while !self.over.load(Ordering::Relaxed) {
            if Instant::now() >= next {
                next = Instant::now() + burst::PAUSE;
                seed += 1;
                for outcome in burst::run(self.address, connections, seed) {
                    self.count("burst", outcome);
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn count(&self, kind: &'static str, outcome: Outcome) {
        let mut tally = self.tally.lock().expect("no thread ends while it counts");
        if let Some(problem) = tally.count(kind, outcome) {
            eprintln!("unexpected: {kind}: {problem}");
        }
    }

    /// Looks at the server's memory until the time is over.
    fn watch(&self, memory: &mut Memory, time: Duration, warm_up: Duration) -> Result<()> {
        let began = Instant::now();
        let mut next = began + REPORT;
        while began.elapsed() < time {
            std::thread::sleep(Duration::from_secs(1).min(time - began.elapsed().min(time)));
            memory.warm = began.elapsed() >= warm_up;
            if !memory.sample() {
                bail!("the server's process is gone after {:?}", began.elapsed());
            }
            if Instant::now() >= next {
                next += REPORT;
                let minutes = began.elapsed().as_secs_f64() / 60.0;
                let tally = self.tally.lock().expect("no thread ends while it counts");
                eprintln!("{minutes:.0} min: {}, {}", tally.line(), memory.line());
            }
        }
        Ok(())
    }

    /// Prints what was found. True if all is as it should be.
    fn report(&self, memory: &Memory, free: &Result<()>, cpu: &CpuClock) -> bool {
        let tally = self.tally.lock().expect("no thread ends while it counts");
        print!("{}", tally.table());
        let cores: Vec<String> =
            cpu.cores().iter().map(|(name, cores)| format!("{name} {cores:.2}")).collect();
        println!("cores at work: {}", cores.join(", "));
        let mut well = tally.unexpected() == 0;
        println!(
            "{} answers and departures, {} of them unexpected",
            grouped(tally.all()),
            grouped(tally.unexpected())
        );
        match free {
            Ok(()) => println!("nothing is left that the server is at"),
            Err(problem) => {
                println!("after the end: {problem:#}");
                well = false;
            }
        }
        if let Some(growth) = memory.growth() {
            println!("memory {}: {:+.1}% since the warm-up", memory.line(), 100.0 * growth);
            well &= growth <= FLAT;
        }
        if let Some(more) = memory.more_descriptors() {
            println!("open descriptors at the end compared to the beginning: {more:+}");
            well &= more <= FEW_DESCRIPTORS;
        }
        println!("{}", if well { "all well" } else { "not well" });
        well
    }
}

/// Waits until the server is at nothing any more.
fn free_again(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + QUIET;
    loop {
        let left = visitor::at_work(address)?;
        if left == 0.0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{left} texts are still counted as being written or waiting after {QUIET:?}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
