//! The simulated UPS at work: answers the kernel, misbehaves on request, remembers what it was told.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::descriptor::Kind;
use super::modbus;
use super::model::Model;
use super::standard::{configuration, device_descriptor, hid_descriptor, string};
use super::vhci::{self, Port};
use super::wire::{self, HEAD, Request, Submit};

const STALL: i32 = -32;
/// Interrupt reports kept while the host does not ask; a real unit keeps fewer.
const QUEUE: usize = 64;

/// How the UPS misbehaves.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// GET_REPORT and SET_REPORT of these ids stall.
    pub stall: BTreeSet<u8>,
    /// GET_REPORT and SET_REPORT of every id stall.
    pub stall_all: bool,
    /// SET_REPORT of these ids stalls; reading works.
    pub stall_writes: BTreeSet<u8>,
    /// Nothing is answered any more; an unlink is honoured, as the kernel demands.
    pub hang: bool,
    /// It falls silent when its report descriptor is asked for: `hang` is set then.
    pub hang_at_report_descriptor: bool,
    /// Answers to GET_REPORT are cut to this many bytes.
    pub short: Option<usize>,
    /// Answers to GET_REPORT get this many bytes too many.
    pub long: usize,
    /// The interrupt endpoint is halted: it stalls until the host clears that.
    pub halted: bool,
    /// So many reads of the report descriptor give a damaged one.
    pub corrupt_descriptors: u32,
    /// The same, and not even the page of power is left of it.
    pub garbled_descriptors: u32,
}

/// One request that the UPS got.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// Setup packet.
    pub setup: [u8; 8],
    /// Data that came with it.
    pub data: Vec<u8>,
}

impl Seen {
    /// Report id and bytes, if it is a SET_REPORT(Feature).
    pub fn set_report(&self) -> Option<(u8, &[u8])> {
        (self.setup[0] == 0x21 && self.setup[1] == 0x09 && self.setup[3] == 3)
            .then_some((self.setup[2], &*self.data))
    }

    /// Report id, if it is a GET_REPORT(Feature).
    pub fn get_report(&self) -> Option<u8> {
        (self.setup[0] == 0xa1 && self.setup[1] == 0x01 && self.setup[3] == 3).then_some(self.setup[2])
    }
}

/// What a host is told of the device before it asks.
#[derive(Clone, Debug)]
pub struct About {
    /// USB vendor id.
    pub vendor: u16,
    /// USB product id.
    pub product: u16,
    /// Device release.
    pub release: u16,
    /// Full speed, not low.
    pub fast: bool,
    /// The configuration with its interfaces and endpoints.
    pub configuration: Vec<u8>,
}

#[derive(Debug)]
struct State {
    model: Model,
    /// What answers by Modbus; `None`: it is switched off, as when the UPS is delivered.
    modbus: Option<modbus::Unit>,
    /// Reports that came by Modbus.
    by_modbus: usize,
    faults: Faults,
    seen: Vec<Seen>,
    /// Interrupt transfers that wait for data.
    waiting: VecDeque<Submit>,
    /// Data that waits for an interrupt transfer.
    queue: VecDeque<Vec<u8>>,
    /// Transfers that will never be answered.
    hung: HashSet<u32>,
    socket: Option<UnixStream>,
    /// Counts the times it was plugged in, so that a reader left from an earlier time stops.
    generation: u32,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A UPS that can be plugged in. Dropped, it is unplugged.
#[derive(Debug)]
pub struct Unit {
    shared: Arc<Shared>,
    port: Option<Port>,
}

impl Unit {
    /// A UPS in its box.
    pub fn new(model: Model) -> Self {
        let state = State {
            model,
            modbus: None,
            by_modbus: 0,
            faults: Faults::default(),
            seen: Vec::new(),
            waiting: VecDeque::new(),
            queue: VecDeque::new(),
            hung: HashSet::new(),
            socket: None,
            generation: 0,
        };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }), port: None }
    }

    /// The same device, not plugged in by this handle: for another thread.
    pub fn handle(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), port: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Plugs it in; the kernel enumerates it from now on.
    pub fn plug(&mut self) {
        self.unplug();
        let host = self.connect();
        let speed = if self.fast() { 2 } else { 1 };
        let port = vhci::attach(&host, speed).unwrap_or_else(|error| panic!("cannot plug in: {error}"));
        self.port = Some(port);
    }

    /// Makes the cable and returns the host's end of it.
    pub fn connect(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let generation = {
            let mut state = self.state();
            state.waiting.clear();
            state.queue.clear();
            state.hung.clear();
            state.socket = Some(ours.try_clone().unwrap());
            state.generation += 1;
            state.generation
        };
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || serve(&shared, ours, generation));
        theirs
    }

    /// Unplugs it.
    pub fn unplug(&mut self) {
        if let Some(port) = self.port.take() {
            port.detach();
        }
        self.state().socket = None;
    }

    /// Low-speed devices have packets of 8 bytes; longer input reports come from full-speed ones.
    fn fast(&self) -> bool {
        let state = self.state();
        // Bulk endpoints are not for low-speed devices.
        state.model.longest_input() > 8 || state.model.composite
    }

    /// What a host is told of it before it asks.
    pub fn about(&self) -> About {
        let fast = self.fast();
        let state = self.state();
        let (model, configuration) = (&state.model, configuration(&state.model));
        let (vendor, product, release) = (model.vendor, model.product, model.release);
        About { vendor, product, release, fast, configuration }
    }

    /// Where the kernel sees it: the name in `/sys/bus/usb/devices`. Waits for the enumeration to end.
    pub fn place(&self) -> String {
        let port = self.port.as_ref().expect("not plugged in");
        let found = poll(|| port.interface().filter(|path| path.exists()).and_then(|_| port.place()));
        found.unwrap_or_else(|| panic!("the kernel did not take the device"))
    }

    /// The device node that programs open.
    pub fn node(&self) -> PathBuf {
        let place = PathBuf::from("/sys/bus/usb/devices").join(self.place());
        let number = |name: &str| -> u32 {
            std::fs::read_to_string(place.join(name)).unwrap().trim().parse().unwrap()
        };
        format!("/dev/bus/usb/{:03}/{:03}", number("busnum"), number("devnum")).into()
    }

    /// Kernel driver that holds its interface now.
    pub fn kernel_driver(&self) -> Option<String> {
        let link = self.port.as_ref()?.interface()?.join("driver");
        let target: PathBuf = std::fs::read_link(link).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// Waits until this kernel driver (or none) holds the interface; false if that does not happen.
    pub fn wait_for_kernel_driver(&self, wanted: Option<&str>) -> bool {
        poll(|| (self.kernel_driver().as_deref() == wanted).then_some(())).is_some()
    }

    /// Its serial number.
    pub fn serial(&self) -> String {
        self.state().model.serial().to_owned()
    }

    /// Changes values; an interrupt report goes out for each input report that changed, as a real unit does.
    pub fn change<R: IntoIterator<Item = u8>>(&self, change: impl FnOnce(&mut Model) -> R) {
        let mut state = self.state();
        let changed: BTreeSet<u8> = change(&mut state.model).into_iter().collect();
        for id in changed {
            let report = state.model.reports[&(Kind::Input, id)].clone();
            push(&mut state, report);
        }
    }

    /// Changes values and says nothing: only a poll can see it.
    pub fn change_silently<R>(&self, change: impl FnOnce(&mut Model) -> R) -> R {
        change(&mut self.state().model)
    }

    /// Switches Modbus on at its front panel, or off.
    pub fn switch_modbus(&self, on: bool) {
        self.state().modbus = on.then(modbus::Unit::new);
    }

    /// Changes what it says by Modbus, or looks at it.
    pub fn modbus<R>(&self, change: impl FnOnce(&mut modbus::Unit) -> R) -> R {
        change(self.state().modbus.as_mut().expect("Modbus is off"))
    }

    /// How many reports have come by Modbus.
    pub fn asked_by_modbus(&self) -> usize {
        self.state().by_modbus
    }

    /// Mains fails or returns.
    pub fn mains(&self, on: bool) {
        self.change(|model| model.set_mains(on));
    }

    /// The UPS says that its battery is nearly empty, or that it is well again.
    pub fn battery_low(&self, low: bool) {
        self.change(|model| model.set_battery_low(low));
    }

    /// Sends interrupt data as it is.
    pub fn send(&self, bytes: &[u8]) {
        push(&mut self.state(), bytes.to_vec());
    }

    /// Halts the interrupt endpoint.
    pub fn halt(&self) {
        let mut state = self.state();
        state.faults.halted = true;
        while let Some(submit) = state.waiting.pop_front() {
            write(&mut state, &wire::failed(&submit, STALL));
        }
    }

    /// Changes how it misbehaves.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state().faults);
    }

    /// How many requests it has got.
    pub fn seen_count(&self) -> usize {
        self.state().seen.len()
    }

    /// The requests from number `from` on.
    pub fn seen_since(&self, from: usize) -> Vec<Seen> {
        self.state().seen.iter().skip(from).cloned().collect()
    }

    /// What was written to it from request number `from` on: report id and the bytes after it.
    pub fn written_since(&self, from: usize) -> Vec<(u8, Vec<u8>)> {
        let payload = |(id, data): (u8, &[u8])| (id, data.get(1..).unwrap_or_default().to_vec());
        self.seen_since(from).iter().filter_map(|seen| seen.set_report().map(payload)).collect()
    }

    /// Waits for a request from number `from` on; `None` after `timeout`.
    pub fn wait_for(&self, from: usize, timeout: Duration, wanted: impl Fn(&Seen) -> bool) -> Option<Seen> {
        let deadline = Instant::now() + timeout;
        let mut state = self.state();
        loop {
            if let Some(seen) = state.seen.iter().skip(from).find(|seen| wanted(seen)) {
                return Some(seen.clone());
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until feature reports have been read `count` times from now on; false if the host does not ask.
    pub fn wait_for_reads(&self, count: usize, timeout: Duration) -> bool {
        let from = self.seen_count();
        let deadline = Instant::now() + timeout;
        let mut state = self.state();
        while state.seen.iter().skip(from).filter(|seen| seen.get_report().is_some()).count() < count {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return false;
            };
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
        true
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // Another handle may have it plugged in.
        if self.port.is_some() {
            self.unplug();
        }
    }
}

/// The kernel takes one device after the other, and each silent one in another scenario costs it a minute.
pub(super) fn poll<T>(look: impl Fn() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(360);
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends interrupt data now, or keeps it until the host asks.
fn push(state: &mut State, bytes: Vec<u8>) {
    let asked = if state.faults.hang { None } else { state.waiting.pop_front() };
    if let Some(submit) = asked {
        write(state, &wire::done(&submit, &bytes));
    } else if state.queue.len() < QUEUE {
        state.queue.push_back(bytes);
    }
}

fn write(state: &mut State, bytes: &[u8]) {
    if let Some(socket) = state.socket.as_mut() {
        // An error means that the device has been unplugged: the reader sees that too.
        let _ = socket.write_all(bytes);
    }
}

fn serve(shared: &Shared, mut socket: UnixStream, generation: u32) {
    let mut head = [0; HEAD];
    while socket.read_exact(&mut head).is_ok() {
        let Some(request) = Request::parse(&head) else { break };
        let mut data = Vec::new();
        if let Request::Submit(submit) = &request {
            if !submit.inward {
                data.resize(submit.length, 0);
                if socket.read_exact(&mut data).is_err() {
                    break;
                }
            }
        }
        let mut state = shared.state.lock().unwrap();
        if state.generation != generation {
            break;
        }
        match request {
            Request::Unlink { seq, victim } => {
                let known = state.waiting.iter().position(|submit| submit.seq == victim);
                let was_waiting = match known {
                    Some(at) => state.waiting.remove(at).is_some(),
                    None => state.hung.remove(&victim),
                };
                write(&mut state, &wire::unlinked(seq, was_waiting));
            }
            Request::Submit(submit) if submit.endpoint == 0 => control(&mut state, &submit, data),
            Request::Submit(submit) if state.faults.hang => {
                state.hung.insert(submit.seq);
            }
            Request::Submit(submit) if state.faults.halted => {
                write(&mut state, &wire::failed(&submit, STALL))
            }
            Request::Submit(submit) if !submit.inward => {
                write(&mut state, &wire::done(&submit, &[]));
                answer_by_modbus(&mut state, &data);
            }
            Request::Submit(submit) => match state.queue.pop_front() {
                Some(bytes) => write(&mut state, &wire::done(&submit, &bytes)),
                None => state.waiting.push_back(submit),
            },
        }
        drop(state);
        shared.changed.notify_all();
    }
}

/// A report came by the interrupt OUT endpoint.
fn answer_by_modbus(state: &mut State, report: &[u8]) {
    let Some((to_ups, from_ups)) = state.model.modbus_reports() else { return };
    if report.first() != Some(&to_ups) {
        return;
    }
    state.by_modbus += 1;
    let answers = state.modbus.as_mut().map(|unit| unit.usb(&report[1..])).unwrap_or_default();
    for answer in answers {
        push(state, [&[from_ups], &answer[..]].concat());
    }
}

fn control(state: &mut State, submit: &Submit, data: Vec<u8>) {
    state.seen.push(Seen { at: Instant::now(), setup: submit.setup, data: data.clone() });
    if state.faults.hang_at_report_descriptor && submit.setup[..4] == [0x81, 0x06, 0, 0x22] {
        state.faults.hang = true;
        state.faults.hang_at_report_descriptor = false;
    }
    if state.faults.hang {
        state.hung.insert(submit.seq);
        return;
    }
    let answer = match answer(state, submit, &data) {
        Some(bytes) => wire::done(submit, &bytes),
        None => wire::failed(submit, STALL),
    };
    write(state, &answer);
}

/// The answer of endpoint 0; `None`: stall.
fn answer(state: &mut State, submit: &Submit, data: &[u8]) -> Option<Vec<u8>> {
    let [kind, request, low, high, ..] = submit.setup;
    match (kind, request) {
        (0x80, 0x06) => match high {
            1 => Some(device_descriptor(&state.model)),
            2 => Some(configuration(&state.model)),
            3 => string(&state.model, low),
            _ => None,
        },
        (0x81, 0x06) if high == 0x22 => {
            let mut bytes = state.model.descriptor.clone();
            if state.faults.corrupt_descriptors > 0 {
                state.faults.corrupt_descriptors -= 1;
                // As long as announced (the kernel asks again after a short answer), but the second half is lost.
                let half = bytes.len() / 2;
                bytes.iter_mut().skip(half).for_each(|byte| *byte = 0);
            }
            if state.faults.garbled_descriptors > 0 {
                state.faults.garbled_descriptors -= 1;
                bytes.iter_mut().take(32).for_each(|byte| *byte = 0);
            }
            Some(bytes)
        }
        (0x81, 0x06) if high == 0x21 => Some(hid_descriptor(&state.model).to_vec()),
        (0xa1, 0x01) => get_report(state, high, low),
        (0x21, 0x09) => set_report(state, high, low, data),
        // GET_STATUS, GET_CONFIGURATION, GET_INTERFACE.
        (0x80..=0x82, 0x00) => Some(vec![0, 0]),
        (0x80, 0x08) => Some(vec![1]),
        (0x81, 0x0a) => Some(vec![0]),
        (0x02, 0x01) => {
            state.faults.halted = false;
            Some(Vec::new())
        }
        // CLEAR_FEATURE, SET_FEATURE, SET_CONFIGURATION, SET_INTERFACE, SET_IDLE, SET_PROTOCOL.
        (0x00..=0x02, 0x01 | 0x03) | (0x00, 0x09) | (0x01, 0x0b) | (0x21, 0x0a | 0x0b) => Some(Vec::new()),
        _ => None,
    }
}

fn kind_of(number: u8) -> Option<Kind> {
    [Kind::Input, Kind::Output, Kind::Feature].into_iter().find(|kind| *kind as u8 == number)
}

fn get_report(state: &State, kind: u8, id: u8) -> Option<Vec<u8>> {
    let faults = &state.faults;
    if faults.stall_all || faults.stall.contains(&id) {
        return None;
    }
    let mut bytes = state.model.reports.get(&(kind_of(kind)?, id))?.clone();
    bytes.truncate(faults.short.unwrap_or(usize::MAX));
    bytes.resize(bytes.len() + faults.long, 0xa5);
    Some(bytes)
}

fn set_report(state: &mut State, kind: u8, id: u8, data: &[u8]) -> Option<Vec<u8>> {
    let faults = &state.faults;
    if faults.stall_all || faults.stall.contains(&id) || faults.stall_writes.contains(&id) {
        return None;
    }
    let report = state.model.reports.get_mut(&(kind_of(kind)?, id))?;
    for (byte, new) in report.iter_mut().zip(data) {
        *byte = *new;
    }
    Some(Vec::new())
}
