//! The search for the device that is wanted: one candidate after the other, each with an opener.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::Registry;

use super::listing::{self, Entry, Listing};
use super::open::{Address, OpenDevice};
use super::sources::Sources;
use super::start;
use super::sysfs::Other;
use super::{Candidate, RETRY_FIRST, RETRY_MAX, State, UsbPort, interface_facts};
use crate::bus::usb::{Event, Verdict};
use crate::sys::job::Job;
use crate::sys::usb::{Device, Message, Opener, Target, UsbError};

/// An opener that takes longer waits on its own, and the search goes on.
const PROBE_WAIT: Duration = Duration::from_secs(3);

/// What an opener looks at, and opens.
pub(super) fn target(candidate: &Candidate) -> Target {
    let Candidate { folder, node, info, .. } = candidate;
    let files = FILES.map(|name| folder.join(name)).to_vec();
    Target { files, node: node.clone(), interface: info.interface }
}

/// The list of devices takes no longer: the kernel answers it without them.
const LIST_WAIT: Duration = Duration::from_secs(3);

/// Files of a device that may wait for it, in the order in which the opener reads them.
const FILES: [&str; 4] = ["manufacturer", "product", "serial", "descriptors"];

/// The candidates that are left, and the one that is being tried.
#[derive(Debug)]
pub(super) struct Search {
    queue: VecDeque<Candidate>,
    probe: Option<Probe>,
    /// Why the last candidate that would do was passed over; else which one would not do.
    reason: Option<String>,
    /// The device whose driver was attached in this search: not twice.
    attached: Option<String>,
}

#[derive(Debug)]
struct Probe {
    opener: Opener,
    candidate: Candidate,
    until: Instant,
    descriptors: Vec<u8>,
    /// The device's lock.
    lock: Option<OwnedFd>,
    /// The device as the opener has seen it last, which can look at it where this process cannot.
    fresh: Option<Candidate>,
}

impl Search {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.probe.as_ref().map(|probe| probe.until)
    }

    pub(super) fn drop_probe(&mut self, registry: &Registry, sources: &mut Sources) {
        if let Some(probe) = self.probe.take() {
            sources.drop_child(registry, &probe.opener);
            probe.opener.give_back();
        }
    }
}

/// `holder`: who has its lock, if anybody.
fn held(candidate: &Candidate, holder: Option<String>) -> String {
    let holder = holder.map(|holder| format!(", {holder}")).unwrap_or_default();
    format!("UPS {} is held by another program{holder}: left alone", candidate.words())
}

/// The name of the device's lock: where it is plugged in, for two units may have the same serial number, or none.
pub(super) fn lock_name(location: &str) -> String {
    format!("usb-{location}")
}

fn cannot_use(candidate: &Candidate, error: &impl fmt::Display) -> String {
    format!("UPS {}: cannot use it: {error}", candidate.words())
}

/// What to do about a node that cannot be opened.
fn cannot_open(candidate: &Candidate, error: &io::Error) -> String {
    let (words, node) = (candidate.words(), candidate.node.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "UPS {words}: no permission to open {node}: install the udev rule 60-mainsd.rules and plug the UPS in \
             again, or run as root"
        ),
        io::ErrorKind::NotFound => {
            format!("UPS {words}: {node} does not exist: is /dev/bus/usb passed into this container?")
        }
        _ => format!("UPS {words}: cannot open {node}: {error}"),
    }
}

fn string(bytes: Option<&Vec<u8>>) -> Option<String> {
    let text = String::from_utf8_lossy(bytes?);
    Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

impl UsbPort {
    /// Looks at what there is and tries the first candidate.
    pub(super) fn look(&mut self, registry: &Registry) {
        self.looked_at = Some(self.now);
        self.sources.free_stuck(registry);
        match self.locks.starter().start(&Job::UsbList) {
            None => {
                let others = if self.seen.is_over() { Vec::new() } else { self.roots.others() };
                self.begin_search(registry, self.roots.scan(), &others);
            }
            Some(socket) => self.ask_for_list(registry, socket),
        }
    }

    /// Another process tells which devices there are.
    fn ask_for_list(&mut self, registry: &Registry, socket: io::Result<OwnedFd>) {
        let begun = socket.and_then(|socket| {
            let listing = Listing::new(socket, self.now + LIST_WAIT);
            self.sources.add_child(registry, &listing)?;
            Ok(listing)
        });
        match begun {
            Ok(listing) => self.state = State::Listing(Box::new(listing)),
            Err(error) => {
                self.tell_closed(format!("USB devices cannot be looked at: {error}"));
                self.state = State::Idle(self.now + RETRY_FIRST);
            }
        }
    }

    /// Takes what was told of the list; `is_late`: nothing more is waited for.
    pub(super) fn take_list(&mut self, registry: &Registry, is_late: bool) {
        let State::Listing(listing) = &mut self.state else { return };
        if !listing.receive(&self.roots) && !is_late {
            return;
        }
        self.sources.drop_child(registry, &**listing);
        let (candidates, others) =
            (std::mem::take(&mut listing.candidates), std::mem::take(&mut listing.others));
        self.begin_search(registry, candidates, &others);
    }

    /// Tries the first of these.
    fn begin_search(&mut self, registry: &Registry, candidates: Vec<Candidate>, others: &[Other]) {
        // What is a UPS for certain comes first, each in its order.
        let (mut queue, mut doubtful) = (VecDeque::new(), VecDeque::new());
        for candidate in candidates {
            let list = match (self.matcher)(&candidate.info) {
                Verdict::Foreign if self.seen.is_over() => continue,
                Verdict::Foreign => {
                    self.seen.note_foreign(&candidate);
                    continue;
                }
                Verdict::NeedsDescriptor | Verdict::Doubtful => &mut doubtful,
                Verdict::Wanted | Verdict::Other => &mut queue,
            };
            if !self.sources.is_stuck(&candidate.node) && !self.left_alone.contains(&candidate.node) {
                list.push_back(candidate);
            }
        }
        queue.append(&mut doubtful);
        if !self.seen.is_over() {
            others.iter().for_each(|other| self.seen.note_other(other));
        }
        let search = Search { queue, probe: None, reason: None, attached: None };
        self.state = State::Looking(Box::new(search));
        self.next_candidate(registry);
    }

    /// Tries the next candidate, or ends the search.
    fn next_candidate(&mut self, registry: &Registry) {
        loop {
            let State::Looking(search) = &mut self.state else { return };
            search.drop_probe(registry, &mut self.sources);
            let Some(candidate) = search.queue.pop_front() else { break };
            let job = candidate.job().ok_or_else(|| io::ErrorKind::NotFound.into());
            let opener = job.and_then(|job| start::start(&self.roots, &self.locks, &job));
            match opener.and_then(|opener| self.sources.add_child(registry, &opener).map(|()| opener)) {
                Ok(opener) => {
                    let until = self.now + PROBE_WAIT;
                    let descriptors = Vec::new();
                    search.probe =
                        Some(Probe { opener, candidate, until, descriptors, lock: None, fresh: None });
                    return;
                }
                // A device that has just gone is no news.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.pass_over(format!("UPS {}: no process to open it: {error}", candidate.words()))
                }
            }
        }
        let State::Looking(search) = &mut self.state else { return };
        let reason = search.reason.take().unwrap_or_else(|| "no USB UPS found".to_owned());
        self.tell_closed(reason);
        self.state = State::Idle(self.now + self.pause);
        self.pause = (self.pause * 2).min(RETRY_MAX);
        if std::mem::take(&mut self.news) {
            self.look_soon();
        }
    }

    fn pass_over(&mut self, reason: String) {
        if let State::Looking(search) = &mut self.state {
            search.reason = Some(reason.clone());
        }
        self.reject(reason);
    }

    /// The opener takes too long: it may wait on, the search goes on without its device.
    pub(super) fn leave_stuck(&mut self, registry: &Registry) {
        let State::Looking(search) = &mut self.state else { return };
        if let Some(Probe { opener, candidate, .. }) = search.probe.take() {
            let words = candidate.words();
            self.sources.add_stuck(registry, opener, candidate.node);
            self.pass_over(format!("UPS {words} keeps the kernel waiting: it does not answer"));
        }
        self.next_candidate(registry);
    }

    /// An opener may have reported.
    pub(super) fn advance_search(&mut self, registry: &Registry) {
        if self.sources.free_stuck(registry) {
            // What it waited for is over.
            match self.state {
                State::Resetting(_) | State::Idle(_) => self.state = State::Idle(self.now),
                State::Looking(_) | State::Listing(_) => self.news = true,
                State::Open(_) => {}
            }
        }
        loop {
            let State::Looking(search) = &mut self.state else { return };
            let Some(probe) = &search.probe else { return };
            match probe.opener.receive() {
                Ok(None) => return,
                Ok(Some(message)) => self.handle_report(registry, message),
                Err(_) => self.next_candidate(registry),
            }
        }
    }

    fn handle_report(&mut self, registry: &Registry, message: Message) {
        let State::Looking(search) = &mut self.state else { return };
        let Some(probe) = &mut search.probe else { return };
        match message {
            Message::Fresh(packet) => {
                if let Some(Entry::Interface(candidate)) = listing::decode(&packet, &self.roots) {
                    probe.fresh = Some(*candidate);
                }
            }
            Message::Files(files) => self.handle_files(registry, &files),
            Message::Lock(lock) => probe.lock = Some(lock),
            Message::Opened(fd) => self.handle_node(registry, fd),
            Message::Failed(error) => {
                let reason = cannot_open(&probe.candidate, &error);
                self.pass_over(reason);
                self.next_candidate(registry);
            }
            Message::Unusable(error) => {
                let reason = cannot_use(&probe.candidate, &error);
                self.pass_over(reason);
                self.next_candidate(registry);
            }
            Message::Held(holder) => {
                let reason = held(&probe.candidate, Some(holder).filter(|holder| !holder.is_empty()));
                self.pass_over(reason);
                self.next_candidate(registry);
            }
            Message::Silent => {
                let reason = format!("UPS {} does not answer", probe.candidate.words());
                self.pass_over(reason);
                self.next_candidate(registry);
            }
            Message::Done => {
                search.attached = Some(probe.candidate.name.clone());
                if let Some(again) = probe.fresh.take() {
                    search.queue.push_front(again);
                }
                self.next_candidate(registry);
            }
            Message::Gone => self.next_candidate(registry),
        }
    }

    /// The strings are known, so the kernel has finished with the device: the decision.
    fn handle_files(&mut self, registry: &Registry, files: &[Option<Vec<u8>>]) {
        let State::Looking(search) = &mut self.state else { return };
        let Some(probe) = &mut search.probe else { return };
        let Some(mut candidate) = probe.fresh.take() else {
            return self.next_candidate(registry);
        };
        let mut files = files.iter().map(Option::as_ref);
        let mut next = || files.next().flatten();
        candidate.info.manufacturer = string(next());
        candidate.info.product_name = string(next());
        candidate.info.serial = string(next());
        probe.descriptors = next().cloned().unwrap_or_default();
        let info = &mut candidate.info;
        let facts = interface_facts(&probe.descriptors, candidate.configuration, info.interface);
        info.announced_descriptor_len = facts.report_descriptor_len;
        let claimed = candidate.is_claimed();
        probe.candidate = candidate;
        probe.until = self.now + PROBE_WAIT;
        let info = &probe.candidate.info;
        let going = match (self.matcher)(info) {
            Verdict::NeedsDescriptor
                if !claimed
                    && probe.candidate.driver.is_none()
                    && search.attached.as_ref() != Some(&probe.candidate.name) =>
            {
                probe.opener.attach()
            }
            // Where the kernel shows no descriptor, or a damaged one, it is read from the device.
            Verdict::Wanted | Verdict::Doubtful | Verdict::NeedsDescriptor => {
                // One that is claimed is not touched; its lock says by whom.
                if claimed { probe.opener.ask_holder() } else { probe.opener.open() }
            }
            Verdict::Other => {
                let words = probe.candidate.words();
                self.seen.note_other_ups(&words, info);
                search.reason.get_or_insert_with(|| format!("UPS {words} is not the one that DEVICE names"));
                return self.next_candidate(registry);
            }
            Verdict::Foreign => return self.next_candidate(registry),
        };
        if going.is_err() {
            self.next_candidate(registry);
        }
    }

    /// The node is open and the interface claimed.
    fn handle_node(&mut self, registry: &Registry, fd: OwnedFd) {
        let context = self.sources.context(registry);
        let State::Looking(search) = &mut self.state else { return };
        let Some(probe) = &mut search.probe else { return };
        let interface = probe.candidate.info.interface;
        let number = fd.as_raw_fd();
        let opened = context.and_then(|context| Device::open(&context, fd, interface));
        let device = match opened {
            Ok(device) => device,
            Err(error) => {
                let reason = cannot_use(&probe.candidate, &error);
                if error != UsbError::NO_DEVICE {
                    self.pass_over(reason);
                }
                self.sources.sync(registry);
                return self.next_candidate(registry);
            }
        };
        let Some(Probe { opener, candidate, descriptors, lock, .. }) = search.probe.take() else { return };
        self.sources.drop_child(registry, &opener);
        drop(opener);
        self.sources.sync(registry);
        let facts = interface_facts(&descriptors, candidate.configuration, interface);
        let words = format!("UPS {}", candidate.words());
        let address = candidate.numbers().map(|(bus, device)| {
            let interface = candidate.name.clone();
            Address { interface, bus, device }
        });
        let open = OpenDevice::new(device, number, words, (address, lock), facts, self.now);
        self.state = State::Open(Box::new(open));
        self.node = Some(candidate.node.clone());
        self.pause = RETRY_FIRST;
        self.told_closed = false;
        self.told.clear();
        self.seen.end();
        self.queue.push_back(Event::Opened(candidate.info));
    }
}
