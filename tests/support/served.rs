//! A [`Server`] of its own in a thread, with a loop as small as a loop can be.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mainsd::server::Settings;
use mainsd::server::nis::{EventsTail, Nis, Server, StatusSource};
use mainsd::ups::Priority;
use mainsd::wire::nis::MAX_EVENTS_FILE_END;
use mio::{Events, Poll, Token, Waker};

const WAKE: Token = Token(0);
const FIRST: Token = Token(0x1000);

/// What it serves.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// The framed answer to `status`.
    pub status: Vec<u8>,
    /// The events file.
    pub events: Option<PathBuf>,
}

struct Source {
    status: Rc<[u8]>,
    events: Option<PathBuf>,
}

impl StatusSource for Source {
    fn status(&mut self) -> Rc<[u8]> {
        Rc::clone(&self.status)
    }

    fn events(&mut self) -> Rc<[u8]> {
        let end = |path: &PathBuf| mainsd::journal::end_of_events(path, MAX_EVENTS_FILE_END).ok();
        EventsTail::new(self.events.as_ref().and_then(end)).answer()
    }

    fn stamp(&mut self) -> mainsd::report::Stamp {
        mainsd::report::Stamp::new(1_795_230_596, 3600)
    }
}

/// Settings in a form that can go to another thread.
#[derive(Clone, Debug)]
pub struct Plan {
    pub addresses: Vec<IpAddr>,
    pub port: u16,
    pub udp: bool,
    pub allow: fn(IpAddr) -> bool,
    pub max_clients: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            port: 0,
            udp: true,
            allow: |ip| ip.is_loopback(),
            max_clients: 512,
        }
    }
}

impl Plan {
    fn settings(self) -> Settings {
        let Self { addresses, port, udp, allow, max_clients } = self;
        Settings { addresses, port, udp, allow: Box::new(allow), max_clients }
    }
}

enum Order {
    Reconfigure(Plan),
    /// Its clock is set forward by so much; then something is sent.
    Skip(Duration, Sender<()>),
    Stop,
}

/// A server that runs. Dropped, it stops.
pub struct Running {
    /// Where it listens; from its start.
    pub addresses: Vec<SocketAddr>,
    /// What it has logged.
    pub log: Receiver<(Priority, String)>,
    /// Clients after each turn of its loop that changed their number.
    pub clients: Receiver<usize>,
    orders: Sender<Order>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<usize>>,
}

impl Running {
    /// Starts a server.
    pub fn start(plan: Plan, served: Served) -> Self {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).unwrap());
        let (orders, inbox) = channel();
        let (started, addresses) = channel();
        let (say, log) = channel();
        let (count, clients) = channel();
        let thread = std::thread::spawn(move || {
            let mut server = Server::new(Nis::default(), plan.settings(), FIRST);
            server.open(poll.registry(), Instant::now());
            started.send(server.local_addresses().collect()).unwrap();
            turn(server, poll, served, &inbox, &say, &count)
        });
        let addresses = addresses.recv().unwrap();
        Self { addresses, log, clients, orders, waker, thread: Some(thread) }
    }

    /// A server with the recorded status of a UPS on mains and the recorded events.
    pub fn recorded(plan: Plan) -> Self {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
        let status = std::fs::read(folder.join("nis/status-apcsmart-online.bin")).unwrap();
        Self::start(plan, Served { status, events: Some(folder.join("events-normal-outage.txt")) })
    }

    /// Its first address.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Has it serve by other settings.
    pub fn reconfigure(&self, plan: Plan) {
        self.orders.send(Order::Reconfigure(plan)).unwrap();
        self.waker.wake().unwrap();
    }

    /// Lets so much time pass for it at once, and one turn of its loop after that.
    pub fn skip(&self, time: Duration) {
        for time in [time, Duration::ZERO] {
            let (done, wait) = channel();
            self.orders.send(Order::Skip(time, done)).unwrap();
            self.waker.wake().unwrap();
            wait.recv_timeout(super::TIMEOUT).unwrap();
        }
    }

    /// Waits for a line in its log.
    pub fn wait_for_line(&self, part: &str) -> String {
        loop {
            let (_, line) =
                self.log.recv_timeout(super::TIMEOUT).unwrap_or_else(|e| panic!("no {part:?}: {e}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits until it has so many clients.
    pub fn wait_for_clients(&self, number: usize) {
        loop {
            let now = self.clients.recv_timeout(super::TIMEOUT);
            if now.unwrap_or_else(|e| panic!("never {number} clients: {e}")) == number {
                return;
            }
        }
    }

    /// Stops it; returns how often its loop has turned.
    pub fn stop(mut self) -> usize {
        self.end().unwrap()
    }

    fn end(&mut self) -> Option<usize> {
        let thread = self.thread.take()?;
        self.orders.send(Order::Stop).ok();
        self.waker.wake().unwrap();
        thread.join().ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn turn(
    mut server: Server,
    mut poll: Poll,
    served: Served,
    inbox: &Receiver<Order>,
    say: &Sender<(Priority, String)>,
    count: &Sender<usize>,
) -> usize {
    let mut source = Source { status: Rc::from(served.status), events: served.events };
    let mut events = Events::with_capacity(256);
    let mut clients = 0;
    let mut skipped = Duration::ZERO;
    for turns in 0.. {
        while let Some(line) = server.poll_log() {
            say.send(line).ok();
        }
        if server.clients() != clients {
            clients = server.clients();
            count.send(clients).ok();
        }
        let wait = server.poll_timeout().map(|at| at.saturating_duration_since(Instant::now() + skipped));
        if let Err(error) = poll.poll(&mut events, wait) {
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "{error}");
        }
        let now = Instant::now() + skipped;
        for event in &events {
            if server.owns(event.token()) {
                server.ready(poll.registry(), event, now, &mut source);
            }
        }
        server.handle_timeout(poll.registry(), now, &mut source);
        for order in inbox.try_iter() {
            match order {
                Order::Reconfigure(plan) => server.reconfigure(plan.settings(), poll.registry(), now),
                Order::Skip(time, done) => {
                    skipped += time;
                    done.send(()).ok();
                }
                Order::Stop => return turns,
            }
        }
    }
    0
}
