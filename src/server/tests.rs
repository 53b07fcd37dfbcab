//! The server's time limits, by a clock that the test turns; the sockets are real.
#![allow(clippy::disallowed_methods, reason = "sockets deliver in real time")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};

use mio::{Events, Poll};

use super::*;

struct Source(Rc<[u8]>);

impl StatusSource for Source {
    fn status(&mut self) -> Rc<[u8]> {
        Rc::clone(&self.0)
    }

    fn events(&mut self) -> Rc<[u8]> {
        Rc::from(&[0, 0][..])
    }

    fn stamp(&mut self) -> Stamp {
        Stamp::new(1_795_230_596, 3600)
    }
}

struct Bench {
    poll: Poll,
    server: Server,
    source: Source,
    now: Instant,
    probe: (TcpStream, TcpStream),
}

impl Bench {
    fn new(max_clients: usize, answer: usize) -> Self {
        let settings = Settings {
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            port: 0,
            udp: false,
            allow: Box::new(|_| true),
            max_clients,
        };
        let poll = Poll::new().unwrap();
        let now = Instant::now();
        let mut server = Server::new(settings, Token(10));
        server.open(poll.registry(), now);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let probe = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let probe = (probe, listener.accept().unwrap().0);
        Self { poll, server, source: Source(vec![b'x'; answer].into()), now, probe }
    }

    /// A client; it has sent these bytes, and the server has seen them.
    fn client(&mut self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.local_addresses().next().unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        self.settle();
        stream
    }

    fn send(&mut self, stream: &mut TcpStream, bytes: &[u8]) {
        stream.write_all(bytes).unwrap();
        self.settle();
    }

    /// Waits until the kernel has delivered what was sent before, which on a busy machine takes its time: it keeps the order.
    fn deliver(&mut self) {
        self.probe.0.write_all(b"x").unwrap();
        self.probe.1.read_exact(&mut [0]).unwrap();
    }

    /// Turns the loop until the sockets have nothing more to tell.
    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            self.deliver();
            let silent = self.turn(20);
            quiet = if silent && self.wait() != Some(0.0) { quiet + 1 } else { 0 };
        }
    }

    /// Turns the loop until nobody is connected: a busy machine may be late to tell that a client has gone.
    fn wait_until_empty(&mut self) {
        while self.server.clients() > 0 {
            self.deliver();
            self.turn(20);
        }
    }

    /// Turns the loop once; whether there was nothing within so many milliseconds.
    fn turn(&mut self, milliseconds: u64) -> bool {
        let mut events = Events::with_capacity(64);
        crate::sys::poll_through_signals(&mut self.poll, &mut events, Duration::from_millis(milliseconds));
        for event in &events {
            self.server.ready(self.poll.registry(), event, self.now, &mut self.source);
        }
        self.server.handle_timeout(self.poll.registry(), self.now, &mut self.source);
        events.is_empty()
    }

    fn advance(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        self.server.handle_timeout(self.poll.registry(), self.now, &mut self.source);
    }

    /// The UPS changes, some time after the last change, and those who watch are told.
    fn change(&mut self, answer: &[u8]) {
        self.now += PUSH_APART;
        self.source.0 = answer.into();
        self.server.push(self.now, &mut self.source);
        self.settle();
    }

    /// Seconds until the server wants to be woken.
    fn wait(&self) -> Option<f64> {
        self.server.poll_timeout().map(|at| at.saturating_duration_since(self.now).as_secs_f64())
    }
}

/// Closes a connection for certain: were it only dropped, a process that another test starts could hold it for a while.
fn close(stream: &TcpStream) {
    stream.shutdown(Shutdown::Both).unwrap();
}

/// Whether the server closes this connection without another byte.
fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 4096]) {
        Ok(n) => n == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn silence_is_borne_for_fifteen_seconds_from_the_last_byte() {
    let mut bench = Bench::new(10, 8);
    assert_eq!(bench.wait(), None, "nothing to do without clients");
    let mut client = bench.client(b"\0\x06sta");
    let wait = bench.wait().unwrap();
    assert!((15.0..15.2).contains(&wait), "{wait}");
    bench.advance(10.0);
    bench.send(&mut client, b"t");
    bench.advance(14.9);
    assert_eq!(bench.server.clients(), 1);
    bench.send(&mut client, b"us");
    client.read_exact(&mut [0; 8]).unwrap();
    bench.advance(14.9);
    assert_eq!(bench.server.clients(), 1);
    bench.advance(0.1);
    assert_eq!(bench.server.clients(), 0);
    assert!(is_closed(&mut client));
    assert_eq!(bench.wait(), None);
}

#[test]
fn a_request_that_drips_in_ends_after_a_minute() {
    let mut bench = Bench::new(10, 8);
    let mut client = bench.client(&[1, 0]);
    for _ in 0..6 {
        bench.advance(10.0);
        bench.send(&mut client, b"x");
        assert_eq!(bench.server.clients(), 1);
    }
    bench.advance(1.0);
    bench.send(&mut client, b"x");
    assert_eq!(bench.server.clients(), 0);
}

#[test]
fn a_client_that_does_not_read_is_let_go_after_fifteen_seconds() {
    // Longer than the buffers of both ends.
    let size = 8 << 20;
    let mut bench = Bench::new(10, size);
    let mut client = bench.client(b"\0\x06status");
    bench.advance(14.0);
    assert_eq!(bench.server.clients(), 1);
    // Sending more does not count as reading.
    bench.send(&mut client, b"\0\x06status");
    bench.advance(1.0);
    assert_eq!(bench.server.clients(), 0);
}

#[test]
fn who_dawdles_makes_room_before_who_is_idle() {
    let mut bench = Bench::new(3, 8);
    let mut idle = bench.client(b"");
    bench.advance(0.1);
    let mut slow = bench.client(b"\0\x06st");
    let mut asked = bench.client(b"\0\x06status");
    bench.advance(3.0);
    let mut fourth = bench.client(b"\0\x06status");
    assert!(is_closed(&mut slow));
    assert_eq!(bench.server.clients(), 3);
    fourth.read_exact(&mut [0; 8]).unwrap();
    let _fifth = bench.client(b"");
    assert!(is_closed(&mut idle), "the one idle longest is next");
    asked.read_exact(&mut [0; 8]).unwrap();
    for open in [&mut asked, &mut fourth] {
        bench.send(open, b"\0\x06status");
        open.read_exact(&mut [0; 8]).unwrap();
    }
}

#[test]
fn a_flood_of_requests_yields_to_others_after_four_answers() {
    let mut bench = Bench::new(10, 8);
    let mut client = TcpStream::connect(bench.server.local_addresses().next().unwrap()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(&b"\0\x06status".repeat(60)).unwrap();
    bench.deliver();
    let mut events = Events::with_capacity(64);
    crate::sys::poll_through_signals(&mut bench.poll, &mut events, Duration::from_secs(20));
    for event in &events {
        bench.server.ready(bench.poll.registry(), event, bench.now, &mut bench.source);
    }
    let mut answers = vec![0; 480];
    client.read_exact(&mut answers[..32]).unwrap();
    bench.deliver();
    assert!(is_silent(&mut client), "more than four answers in one turn");
    assert_eq!(bench.wait(), Some(0.0), "the rest is due at once");
    bench.settle();
    client.read_exact(&mut answers[32..]).unwrap();
    let wait = bench.wait().unwrap();
    assert!((15.0..15.2).contains(&wait), "{wait}");
}

#[test]
fn a_crowd_that_has_gone_leaves_no_memory_behind() {
    let mut bench = Bench::new(200, 8);
    let clients: Vec<TcpStream> = (0..100).map(|_| bench.client(b"")).collect();
    assert_eq!(bench.server.clients(), 100);
    clients.iter().for_each(close);
    bench.settle();
    assert_eq!((bench.server.clients(), bench.server.slots.capacity()), (0, 0));
    let mut client = bench.client(b"\0\x06status");
    client.read_exact(&mut [0; 8]).unwrap();
}

#[test]
fn a_connection_costs_less_than_two_hundred_bytes() {
    assert!(size_of::<Option<Connection>>() < 200, "{}", size_of::<Option<Connection>>());
}

const WATCH: &[u8] = b"\0\x05watch";

fn take<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Nothing more has come; what is on its way: [`Bench::deliver`].
fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let silent = stream.read(&mut [0; 64]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    silent
}

#[test]
fn a_watching_client_hears_at_once_of_changes_and_within_ten_seconds() {
    let mut bench = Bench::new(10, 8);
    let mut client = bench.client(WATCH);
    assert_eq!(&take(&mut client), b"xxxxxxxx");
    bench.change(b"changed1");
    assert_eq!(&take(&mut client), b"changed1");
    let wait = bench.wait().unwrap();
    assert!((9.0..10.0).contains(&wait), "{wait}");
    // Half a request keeps nothing from it, and no silence is held against it.
    bench.send(&mut client, b"\0\x06sta");
    for _ in 0..9 {
        bench.advance(wait);
        assert_eq!(&take(&mut client), b"changed1");
        assert!(is_silent(&mut client));
    }
    assert_eq!(bench.server.clients(), 1);
    bench.send(&mut client, b"tus");
    assert_eq!(&take(&mut client), b"changed1");
    // Asking again is harmless.
    bench.send(&mut client, WATCH);
    assert_eq!(&take(&mut client), b"changed1");
    bench.change(b"changed2");
    assert_eq!(&take(&mut client), b"changed2");
    assert!(is_silent(&mut client));
    close(&client);
    bench.settle();
    assert_eq!((bench.server.clients(), bench.wait()), (0, None), "nothing is left to do");
}

#[test]
fn only_who_asked_for_it_is_told_of_changes() {
    let mut bench = Bench::new(10, 8);
    let mut polling = bench.client(b"\0\x06status");
    let mut watching = bench.client(WATCH);
    bench.change(b"changed1");
    assert_eq!(&take(&mut watching), b"xxxxxxxx");
    assert_eq!(&take(&mut watching), b"changed1");
    assert_eq!(&take(&mut polling), b"xxxxxxxx");
    assert!(is_silent(&mut polling));
}

#[test]
fn a_watcher_that_does_not_read_gets_the_newest_state_after_the_answer_on_its_way() {
    // Longer than the buffers of both ends.
    let size = 8 << 20;
    let mut bench = Bench::new(10, size);
    let mut client = bench.client(WATCH);
    for answer in [b"changed1", b"changed2", b"changed3"] {
        bench.change(answer);
    }
    let reader = std::thread::spawn(move || {
        let mut first = vec![0; size];
        client.read_exact(&mut first).unwrap();
        assert!(first.iter().all(|&byte| byte == b'x'), "answers are mixed");
        let next: [u8; 8] = take(&mut client);
        (client, next)
    });
    while !reader.is_finished() {
        bench.turn(1);
    }
    bench.settle();
    let (mut client, next) = reader.join().unwrap();
    assert_eq!(&next, b"changed3");
    assert!(is_silent(&mut client), "a state that has passed was sent");
}

#[test]
fn a_watcher_that_does_not_read_is_let_go_however_often_the_state_changes() {
    let mut bench = Bench::new(10, 8 << 20);
    let _client = bench.client(WATCH);
    for _ in 0..14 {
        bench.advance(1.0);
        bench.change(&[b'y'; 64]);
    }
    assert_eq!(bench.server.clients(), 1);
    bench.advance(1.0);
    assert_eq!(bench.server.clients(), 0);
}

#[test]
fn a_watcher_that_is_slow_but_reads_keeps_its_place() {
    let size = 4 << 20;
    let mut bench = Bench::new(10, size);
    let mut client = bench.client(WATCH);
    bench.advance(10.0);
    // Another one comes before the first has been taken.
    bench.change(&vec![b'y'; size]);
    let reader = std::thread::spawn(move || {
        client.read_exact(&mut vec![0; size]).unwrap();
        client
    });
    while !reader.is_finished() {
        bench.turn(1);
    }
    let _client = reader.join().unwrap();
    bench.advance(10.0);
    assert_eq!(bench.server.clients(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn no_more_than_one_answer_waits_in_the_kernel_for_a_watcher_that_does_not_read() {
    let mut bench = Bench::new(10, 8 << 10);
    let mut client = bench.client(WATCH);
    // Fills what the peer's kernel takes for it; then the next stays with ours, and the one after it with us.
    for _ in 0..10_000 {
        bench.now += PUSH_APART;
        bench.server.push(bench.now, &mut bench.source);
        if bench.server.queues.first(State::Writing).is_some() {
            break;
        }
    }
    assert!(bench.server.queues.first(State::Writing).is_some(), "the kernel took everything");
    bench.change(b"the end.");
    // Not so long that it hears the same again.
    bench.advance(9.0);
    client.set_nonblocking(true).unwrap();
    let mut text = Vec::new();
    let mut chunk = vec![0; 1 << 16];
    while !text.ends_with(b"the end.") {
        match client.read(&mut chunk) {
            Ok(n) => text.extend_from_slice(&chunk[..n]),
            Err(_) => bench.settle(),
        }
    }
    assert_eq!(text.len() % (8 << 10), 8, "answers are mixed");
    assert_eq!(bench.server.clients(), 1);
}

#[test]
fn changes_that_follow_each_other_at_once_are_told_together() {
    let mut bench = Bench::new(10, 8);
    let mut client = bench.client(WATCH);
    bench.change(b"change 0");
    for n in 1..=9 {
        bench.source.0 = format!("change {n}").into_bytes().into();
        bench.server.push(bench.now, &mut bench.source);
        bench.now += Duration::from_millis(5);
    }
    bench.settle();
    let mut heard = take::<16>(&mut client).to_vec();
    assert!(is_silent(&mut client), "the first, and then nothing before its time");
    bench.advance(0.01);
    heard.extend(take::<8>(&mut client));
    assert_eq!(heard, b"xxxxxxxxchange 0change 9");
    bench.advance(1.0);
    assert!(is_silent(&mut client));
}

/// All from one address here; of several, one of the address that has most.
#[test]
fn where_all_watch_the_one_that_came_last_makes_room() {
    let mut bench = Bench::new(3, 8);
    let mut first: Vec<TcpStream> = Vec::new();
    for _ in 0..2 {
        bench.advance(1.0);
        first.push(bench.client(WATCH));
    }
    for _ in 0..5 {
        bench.advance(1.0);
        let _stranger = bench.client(WATCH);
    }
    assert!(first.iter_mut().all(|client| &take(client) == b"xxxxxxxx" && is_silent(client)));
    assert_eq!(bench.server.clients(), 3);
}

#[test]
fn a_client_that_keeps_its_connection_and_leaves_takes_nobody_with_it() {
    let mut bench = Bench::new(10, 8);
    for _ in 0..3 {
        bench.advance(2.0);
        drop(bench.client(b"\0\x06status"));
        bench.wait_until_empty();
    }
    bench.server.take_came_or_went();
    // A monitor on the same machine.
    let monitor = bench.client(b"\0\x06status\0\x06status");
    assert!(bench.server.slots.iter().flatten().any(Connection::keeps_polling));
    drop(monitor);
    bench.wait_until_empty();
    assert!(bench.server.take_came_or_went() && !bench.server.take_came_or_went());
    let there: Vec<bool> =
        bench.server.census.seen(bench.now).map(|source| source.is_polling(bench.now)).collect();
    assert_eq!(there, [true]);
}

#[test]
fn who_watches_keeps_its_place_as_long_as_anybody_idles() {
    let mut bench = Bench::new(2, 8);
    let mut watching = bench.client(WATCH);
    bench.advance(5.0);
    for _ in 0..5 {
        let _other = bench.client(b"");
    }
    assert_eq!(&take(&mut watching), b"xxxxxxxx");
    assert!(is_silent(&mut watching));
    assert_eq!(bench.server.clients(), 2);
    bench.change(b"changed1");
    assert_eq!(&take(&mut watching), b"changed1");
}

/// The lines of an answer.
fn lines(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let length = u16::from_be_bytes(take(stream));
        if length == 0 {
            return String::from_utf8(text).unwrap();
        }
        let mut line = vec![0; length.into()];
        stream.read_exact(&mut line).unwrap();
        text.extend(line);
    }
}

#[test]
fn who_is_connected_and_who_was_is_listed_with_the_time_and_the_way() {
    let mut bench = Bench::new(10, 8);
    let _silent = bench.client(b"");
    bench.advance(1.0);
    let _watching = bench.client(WATCH);
    bench.advance(1.0);
    let mut asking = bench.client(b"\0\x07clients\0\x07clients");
    let first =
        "other    2026-11-21 04:09:54 +0100  127.0.0.1\nwatch    2026-11-21 04:09:55 +0100  127.0.0.1\n";
    assert_eq!((lines(&mut asking), lines(&mut asking)), (first.to_owned(), first.to_owned()));
    close(&bench.client(b"\0\x06events"));
    bench.settle();
    bench.send(&mut asking, b"\0\x07clients");
    let once =
        "watch    2026-11-21 04:09:55 +0100  127.0.0.1\nother    2026-11-21 04:09:56 +0100  127.0.0.1\n";
    assert_eq!(lines(&mut asking), once, "one line for all from an address that do not watch");
    for _ in 0..2 {
        bench.advance(2.0);
        close(&bench.client(b"\0\x06status"));
        bench.settle();
    }
    bench.send(&mut asking, b"\0\x07clients");
    assert!(lines(&mut asking).ends_with("\npolling  2026-11-21 04:09:52 +0100  127.0.0.1\n"));
    assert_eq!(bench.server.slaves(bench.now), [Ipv4Addr::LOCALHOST], "the one that watches");
}
