//! One request at a time, and what counts as its answer.
//!
//! An answer on a serial line or over USB does not say what it answers. It is taken for that of the request under way if its checksum, its function and its
//! length agree. One that comes too late could so be taken for that of the next request: after a request that was not answered in time, or
//! was sent again, another one is sent only when the UPS has answered one of [`PROBES`], whose answer has a length of its own. Answers come in the
//! order of the requests, so nothing older comes after it. Each probe is another one: its answer can be late too. Over TCP each answer has the number of its request.

use std::time::{Duration, Instant};

use crate::wire::modbus::{
    Answer, Frame, PROBES, RTU_MAX, Request, TCP_MAX, USB_MAX, of_rtu, of_tcp, of_usb, rtu, tcp,
};

/// The frame around requests and answers, and with it the times that count (modbus §1, §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A serial line.
    Rtu,
    /// A connection.
    Tcp,
    /// Reports of a USB device.
    Usb,
}

impl Framing {
    /// The longest time until an answer is there.
    const fn answer_timeout(self) -> Duration {
        match self {
            // 500 ms until it begins, and 256 bytes at 9600 bit/s.
            Self::Rtu => Duration::from_millis(800),
            // A card asks the UPS itself, and a second request does not make it faster.
            Self::Tcp => Duration::from_secs(3),
            // 500 ms until it begins, and five reports of a device that is asked for one every 100 ms at the most.
            Self::Usb => Duration::from_secs(1),
        }
    }

    /// How often a request is sent before it counts as not answered.
    const fn tries(self) -> u32 {
        match self {
            Self::Rtu => 3,
            Self::Tcp | Self::Usb => 2,
        }
    }

    /// The line must have been silent for so long before a request.
    const fn silence(self) -> Duration {
        match self {
            Self::Rtu => Duration::from_millis(45),
            Self::Tcp | Self::Usb => Duration::ZERO,
        }
    }

    /// A frame that does not go on for so long will not: a unit leaves 15 ms at most between two bytes, an adapter somewhat more. `None`:
    /// it may.
    const fn gap(self) -> Option<Duration> {
        match self {
            Self::Rtu => Some(Duration::from_millis(60)),
            Self::Usb => Some(Duration::from_millis(400)),
            Self::Tcp => None,
        }
    }

    /// Answers have the numbers of their requests.
    const fn is_numbered(self) -> bool {
        matches!(self, Self::Tcp)
    }

    const fn longest(self) -> usize {
        match self {
            Self::Rtu => RTU_MAX,
            Self::Tcp => TCP_MAX,
            Self::Usb => USB_MAX,
        }
    }
}

/// A line that is never silent for so long carries something else.
const BUSY_MAX: Duration = Duration::from_secs(1);

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) request: Request,
    /// `None`: no answer.
    pub(super) answer: Option<Answer>,
}

/// A request that is under way.
#[derive(Clone, Copy, Debug)]
struct Pending {
    request: Request,
    tries: u32,
    tries_max: u32,
    /// A try was not answered.
    is_unanswered: bool,
    /// So many probes in its place were refused.
    refused: usize,
    /// Its number when it was sent first.
    first: u16,
    step: Step,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// It is to be sent, as soon as the line is silent; it has waited since then.
    Send(Instant),
    /// Its answer must be there by then.
    Wait(Instant),
}

/// Of which requests an answer may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InDoubt {
    None,
    /// Only of this one.
    One(Request),
    /// Of those of another connection, or program.
    Any,
}

/// What is asked, and what has come of it so far.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) framing: Framing,
    pending: Option<Pending>,
    /// What is to be asked after the probe that is under way.
    after_probe: Option<Request>,
    in_doubt: InDoubt,
    /// So many probes have been sent, and so many before what is in doubt.
    probes: usize,
    probes_before: usize,
    /// So many of the last probes may still be answered: an exception may be theirs.
    probes_due: usize,
    incoming: Vec<u8>,
    /// When something came last, or the port was opened.
    heard: Instant,
    transaction: u16,
    /// Bytes that were no answer.
    pub(super) discarded: u64,
}

impl Exchange {
    /// `probes`: how many the connections before this one have sent.
    pub(super) fn new(framing: Framing, probes: usize, now: Instant) -> Self {
        Self {
            framing,
            pending: None,
            after_probe: None,
            in_doubt: if framing.is_numbered() { InDoubt::None } else { InDoubt::Any },
            probes,
            probes_before: probes,
            probes_due: 0,
            incoming: Vec::new(),
            heard: now,
            transaction: 0,
            discarded: 0,
        }
    }

    /// How many probes have been sent.
    pub(super) const fn probes(&self) -> usize {
        self.probes
    }

    pub(super) fn is_free(&self) -> bool {
        self.pending.is_none()
    }

    /// Asks this next. To be called while it is free. `is_hopeless`: one try is enough.
    pub(super) fn ask(&mut self, request: Request, is_hopeless: bool, now: Instant) {
        // The same request again: whichever answer comes, it is one to it.
        let is_safe = self.in_doubt == InDoubt::None || self.in_doubt == InDoubt::One(request);
        self.after_probe = (!is_safe).then_some(request);
        let tries_max = if is_hopeless { 1 } else { self.framing.tries() };
        self.begin(request, tries_max, now);
    }

    fn begin(&mut self, request: Request, tries_max: u32, now: Instant) {
        self.pending = Some(Pending {
            request,
            tries: 0,
            tries_max,
            is_unanswered: false,
            refused: 0,
            first: 0,
            step: Step::Send(now),
        });
    }

    /// The frame that is to be sent now, if any; over USB only what is in it.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let pending = self.pending.as_mut()?;
        let Step::Send(_) = pending.step else { return None };
        if now < self.heard + self.framing.silence() {
            return None;
        }
        // Half an answer to what was asked before is none to this.
        if !self.framing.is_numbered() {
            self.discarded += self.incoming.len() as u64;
            self.incoming.clear();
        }
        pending.tries += 1;
        pending.step = Step::Wait(now + self.framing.answer_timeout());
        self.transaction = self.transaction.wrapping_add(1);
        if pending.tries == 1 {
            pending.first = self.transaction;
        }
        let mut request = pending.request;
        if self.after_probe.is_some() {
            request = probe(self.probes);
            self.probes = self.probes.wrapping_add(1);
        } else if self.in_doubt != InDoubt::None {
            // Its own answer comes after those of the probes that were sent before it.
            self.probes_before = self.probes;
        }
        let content = request.bytes();
        Some(match self.framing {
            Framing::Rtu => rtu(&content),
            Framing::Tcp => tcp(self.transaction, &content),
            Framing::Usb => content,
        })
    }

    /// Bytes have come. `Err`: nothing that follows can be told apart, so the connection is of no use.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<Option<Outcome>, ()> {
        self.heard = now;
        let longest = self.framing.longest();
        let waits = matches!(self.pending, Some(Pending { step: Step::Wait(_), .. }));
        if !waits && !self.framing.is_numbered() {
            self.discarded += bytes.len() as u64;
            return Ok(None);
        }
        let mut outcome = None;
        for byte in bytes {
            self.incoming.push(*byte);
            let frame = match self.framing {
                Framing::Rtu => of_rtu(&self.incoming),
                Framing::Tcp => of_tcp(&self.incoming),
                Framing::Usb => of_usb(&self.incoming),
            };
            match frame {
                Frame::Incomplete if self.incoming.len() < longest => {}
                Frame::Incomplete | Frame::Bad if self.framing == Framing::Tcp => return Err(()),
                // Frames begin with a report.
                Frame::Incomplete | Frame::Bad if self.framing == Framing::Usb => {
                    self.discarded += self.incoming.len() as u64;
                    self.incoming.clear();
                    return Ok(outcome);
                }
                // What follows is thrown away until the line is silent.
                Frame::Incomplete | Frame::Bad if self.incoming.len() < longest => {}
                Frame::Incomplete | Frame::Bad => {
                    self.discarded += self.incoming.len() as u64;
                    self.incoming.clear();
                }
                Frame::Whole { content, transaction, .. } => {
                    let due = self.of_probes_due(content);
                    self.probes_due = due.unwrap_or(self.probes_due);
                    let answer = self.pending.as_ref().filter(|_| due.is_none()).and_then(|pending| {
                        // It may be to an earlier try.
                        let since = |number: u16| number.wrapping_sub(pending.first);
                        let is_its = !self.framing.is_numbered()
                            || pending.tries > 0 && since(transaction) <= since(self.transaction);
                        self.answer_to(pending, content).filter(|_| is_its)
                    });
                    if answer.is_none() {
                        self.discarded += self.incoming.len() as u64;
                    }
                    self.incoming.clear();
                    // On a serial line one answer comes to one request: what else is in these bytes is noise.
                    if outcome.is_none() {
                        outcome = answer.and_then(|(answer, due)| self.answered(answer, due, now));
                    }
                    // Zeros fill up the report.
                    if self.framing == Framing::Usb || due.is_some() {
                        return Ok(outcome);
                    }
                }
            }
        }
        Ok(outcome)
    }

    /// `due`: so many of the last probes are not answered yet.
    fn answered(&mut self, answer: Answer, due: usize, now: Instant) -> Option<Outcome> {
        let pending = self.pending.as_mut()?;
        let Some(request) = self.after_probe else {
            let request = pending.request;
            (self.pending, self.probes_due) = (None, 0);
            return Some(Outcome { request, answer: Some(answer) });
        };
        if matches!(answer, Answer::Exception(_)) {
            // It may be to an older request.
            pending.refused += 1;
            if pending.refused < PROBES.len() {
                pending.tries = pending.tries.saturating_sub(1);
                pending.step = Step::Send(now);
                return None;
            }
            if pending.is_unanswered {
                // Others may still come, so it says nothing.
                (self.after_probe, self.pending) = (None, None);
                return Some(Outcome { request, answer: None });
            }
        }
        (self.after_probe, self.in_doubt) = (None, InDoubt::None);
        let tries_max = pending.tries_max;
        self.probes_due = if matches!(answer, Answer::Exception(_)) { 0 } else { due };
        self.begin(request, tries_max, now);
        None
    }

    /// If this answers one of the probes after that by which the line was found to be in order, and not the request under way: how many
    /// were sent after it. An exception does not say what it is to.
    fn of_probes_due(&self, content: &[u8]) -> Option<usize> {
        let mut due = self.probes.saturating_sub(self.probes_due)..self.probes;
        due.find(|number| self.after_probe.is_none() && probe(*number).answer(content).is_some())?;
        Some(due.len())
    }

    /// What this is to what is under way: to the request, or to a probe that was sent after what is in doubt.
    /// Beside it how many probes were sent after that one.
    fn answer_to(&self, pending: &Pending, content: &[u8]) -> Option<(Answer, usize)> {
        // What was not sent yet has no answer, nor has a try that waits on a line: what comes there before it is late.
        if !self.framing.is_numbered() && !matches!(pending.step, Step::Wait(_)) {
            return None;
        }
        if self.after_probe.is_none() {
            return pending.request.answer(content).map(|answer| (answer, 0));
        }
        let first = self.probes_before.max(self.probes.saturating_sub(PROBES.len() - 1));
        let mut numbers = first..self.probes;
        let answer = numbers.find_map(|number| probe(number).answer(content))?;
        Some((answer, numbers.len()))
    }

    /// Something else is to go out as soon as it can: what is under way is dropped, or has this try only where its answer is not told
    /// from others by its number.
    pub(super) fn hurry(&mut self) {
        let Some(pending) = &mut self.pending else { return };
        if self.framing.is_numbered() || self.after_probe.is_some() || pending.tries == 0 {
            (self.after_probe, self.pending) = (None, None);
        } else {
            pending.tries_max = pending.tries;
        }
    }

    /// A deadline may have passed.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Outcome> {
        let pending = self.pending.as_mut()?;
        let is_over = match pending.step {
            Step::Send(since) => now >= since + BUSY_MAX && now < self.heard + self.framing.silence(),
            Step::Wait(until) => {
                let is_broken = !self.incoming.is_empty()
                    && self.framing.gap().is_some_and(|gap| now >= self.heard + gap);
                now >= until || is_broken
            }
        };
        if !is_over {
            return None;
        }
        let may_come = matches!(pending.step, Step::Wait(_)) && !self.framing.is_numbered();
        if may_come && self.after_probe.is_none() {
            self.in_doubt = InDoubt::One(pending.request);
            self.probes_before = self.probes;
        }
        if pending.tries < pending.tries_max && matches!(pending.step, Step::Wait(_)) {
            pending.step = Step::Send(now);
            pending.is_unanswered = true;
            return None;
        }
        let request = pending.request;
        (self.after_probe, self.pending) = (None, None);
        Some(Outcome { request, answer: None })
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_transmit`] is to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let silent = self.heard + self.framing.silence();
        Some(match self.pending.as_ref()?.step {
            Step::Send(since) => silent.min((since + BUSY_MAX).max(self.heard)),
            Step::Wait(until) if self.incoming.is_empty() => until,
            Step::Wait(until) => self.framing.gap().map_or(until, |gap| until.min(self.heard + gap)),
        })
    }
}

/// The probe of this number. A UPS may not know one of them, and refuse it or say nothing: the next one is of the other kind.
fn probe(number: usize) -> Request {
    Request::Read(PROBES.get(number % PROBES.len()).copied().unwrap_or(PROBES[0]))
}
