//! Port 3551, byte by byte: a real server in a thread of this test, real sockets on the loopback interface.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::support::served::{Plan, Running, Served};
use crate::support::{self, Nis, TIMEOUT};

const STATUS: &[u8] = b"\0\x06status";
const EVENTS: &[u8] = b"\0\x06events";
const INVALID: &[u8] = b"\0\x11Invalid command\n\0\0\0";

fn recorded(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/nis/");
    std::fs::read(format!("{folder}{name}")).unwrap()
}

fn online() -> Vec<u8> {
    recorded("status-apcsmart-online.bin")
}

fn connect(server: &Running) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn take(stream: &mut TcpStream, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Everything until the server closes; a reset is an end, too.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    bytes
}

#[test]
fn a_kept_connection_answers_status_events_and_the_unknown() {
    let folder = support::Scratch::new();
    let file = folder.path().join("events");
    let payload: Vec<u8> = {
        let bytes = recorded("events.bin");
        let mut at = 0;
        let mut lines = Vec::new();
        while bytes[at..] != [0, 0] {
            let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
            lines.extend(&bytes[at + 2..at + 2 + length]);
            at += 2 + length;
        }
        lines
    };
    std::fs::write(&file, payload).unwrap();
    let server = Running::start(Plan::default(), Served { status: online(), events: Some(file.clone()) });
    let mut client = connect(&server);
    for _ in 0..3 {
        client.write_all(STATUS).unwrap();
        assert_eq!(take(&mut client, 1332), online());
        client.write_all(EVENTS).unwrap();
        assert_eq!(take(&mut client, 423), recorded("events.bin"));
        client.write_all(b"\0\x06foobar").unwrap();
        assert_eq!(take(&mut client, 21), recorded("invalid-command.bin"));
    }
    std::fs::remove_file(&file).unwrap();
    client.write_all(EVENTS).unwrap();
    assert_eq!(take(&mut client, 19), b"\0\x0fNot available\n\0\0\0");
}

#[test]
fn commands_count_only_in_their_exact_form() {
    let server = Running::recorded(Plan::default());
    let mut client = connect(&server);
    for payload in [&b"STATUS"[..], b"status\n", b"status\0", b"statu", b" status", &[b'x'; 256]] {
        let mut frame = u16::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(payload);
        client.write_all(&frame).unwrap();
        assert_eq!(take(&mut client, 21), INVALID, "{payload:?}");
    }
}

#[test]
fn what_is_no_request_ends_the_connection_without_a_byte() {
    let server = Running::recorded(Plan::default());
    let table: [&[u8]; 5] = [b"\0\0", b"\x01\x01", b"status\n", b"GET / HTTP/1.0\r\n\r\n", b"\xff\xff"];
    for bytes in table {
        let mut client = connect(&server);
        client.write_all(bytes).unwrap();
        assert_eq!(rest(&mut client), b"", "{bytes:?}");
    }
    assert_eq!(
        Nis::connect(server.address(), TIMEOUT).unwrap().status().unwrap().get("STATUS"),
        Some("ONLINE")
    );
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = Running::recorded(Plan::default());
    let mut client = connect(&server);
    for byte in STATUS {
        client.write_all(&[*byte]).unwrap();
    }
    assert_eq!(take(&mut client, 1332), online());
    client.write_all(&STATUS[..2]).unwrap();
    client.write_all(&STATUS[2..]).unwrap();
    assert_eq!(take(&mut client, 1332), online());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Running::recorded(Plan::default());
    let mut client = connect(&server);
    let mut ask = Vec::new();
    let mut expected = Vec::new();
    for i in 0..200 {
        if i % 3 == 0 {
            ask.extend(b"\0\x01?");
            expected.extend(INVALID);
        } else {
            ask.extend(STATUS);
            expected.extend(online());
        }
    }
    let mut reader = client.try_clone().unwrap();
    let size = expected.len();
    let answers = std::thread::spawn(move || take(&mut reader, size));
    client.write_all(&ask).unwrap();
    assert!(answers.join().unwrap() == expected, "answers differ");
}

#[test]
fn a_client_that_closed_its_sending_side_is_still_answered() {
    let server = Running::recorded(Plan::default());
    let mut client = connect(&server);
    client.write_all(&[STATUS, STATUS].concat()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), [online(), online()].concat());
}

#[test]
fn a_client_that_sends_and_never_reads_neither_grows_nor_delays_others() {
    let server = Running::recorded(Plan::default());
    let mut deaf: Vec<TcpStream> = Vec::new();
    for _ in 0..20 {
        let stream = connect(&server);
        stream.set_nonblocking(true).unwrap();
        deaf.push(stream);
    }
    let flood = STATUS.repeat(4096);
    for stream in &mut deaf {
        // Until nothing more is taken: the server has stopped to read, and the kernel's buffers are full.
        let mut written = 0;
        while let Ok(n) = stream.write(&flood) {
            written += n;
            assert!(written < 16 << 20, "the server takes requests for ever");
        }
    }
    let started = Instant::now();
    let mut client = Nis::connect(server.address(), TIMEOUT).unwrap();
    for _ in 0..20 {
        client.status().unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    // One that begins to read again gets whole answers.
    let stream = &mut deaf[0];
    stream.set_nonblocking(false).unwrap();
    assert_eq!(take(stream, 1332 * 10), online().repeat(10));
}

#[test]
fn more_clients_than_allowed_cost_the_idlest_its_place() {
    let server = Running::recorded(Plan { max_clients: 3, ..Plan::default() });
    let mut clients: Vec<TcpStream> = Vec::new();
    for _ in 0..3 {
        let mut client = connect(&server);
        client.write_all(STATUS).unwrap();
        take(&mut client, 1332);
        clients.push(client);
    }
    // The first becomes the one that spoke last.
    clients[0].write_all(STATUS).unwrap();
    take(&mut clients[0], 1332);
    let mut fourth = connect(&server);
    fourth.write_all(STATUS).unwrap();
    assert_eq!(take(&mut fourth, 1332), online());
    assert_eq!(rest(&mut clients[1]), b"");
    for client in [0, 2] {
        clients[client].write_all(STATUS).unwrap();
        assert_eq!(take(&mut clients[client], 1332), online());
    }
    server.wait_for_line("NISMAXCLIENTS");
}

#[test]
fn a_source_that_is_not_allowed_gets_no_byte_and_one_log_line() {
    let server = Running::recorded(Plan { allow: |_| false, ..Plan::default() });
    for _ in 0..5 {
        let mut client = connect(&server);
        client.write_all(STATUS).ok();
        assert_eq!(rest(&mut client), b"");
    }
    let line = server.wait_for_line("refused");
    assert_eq!(line, "Connection from 127.0.0.1 refused by NISALLOW.");
    assert!(server.log.try_iter().all(|(_, line)| !line.contains("refused")));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    socket.send_to(b"status", server.address()).unwrap();
    assert!(socket.recv(&mut [0; 2000]).is_err());
}

fn ask(server: &Running, question: &[u8], wait: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(Some(wait)).unwrap();
    socket.send_to(question, server.address()).unwrap();
    let mut bytes = vec![0; 65536];
    let size = socket.recv(&mut bytes).ok()?;
    bytes.truncate(size);
    Some(bytes)
}

#[test]
fn a_datagram_is_answered_with_the_same_bytes() {
    let server = Running::recorded(Plan::default());
    for question in [&b"status"[..], STATUS, b"status\n"] {
        assert_eq!(ask(&server, question, TIMEOUT), Some(online()), "{question:?}");
    }
    let mut client = connect(&server);
    client.write_all(EVENTS).unwrap();
    let events = ask(&server, EVENTS, TIMEOUT).unwrap();
    assert_eq!(take(&mut client, events.len()), events);
}

#[test]
fn a_datagram_that_is_no_question_or_one_too_many_is_not_answered() {
    let server = Running::recorded(Plan::default());
    let short = Duration::from_millis(200);
    for question in [&b"foobar"[..], b"", b"\0\0", INVALID, &online()] {
        assert_eq!(ask(&server, question, short), None, "{question:?}");
    }
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(Some(short)).unwrap();
    let started = Instant::now();
    for _ in 0..40 {
        socket.send_to(b"status", server.address()).unwrap();
    }
    // One is answered for certain, however long it takes here.
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.recv(&mut [0; 2000]).unwrap();
    socket.set_read_timeout(Some(short)).unwrap();
    let mut answers = 1;
    while socket.recv(&mut [0; 2000]).is_ok() {
        answers += 1;
    }
    let most = 10 * (started.elapsed().as_secs() + 1);
    assert!((1..=most).contains(&answers), "{answers} answers, {most} allowed");
}

#[test]
fn udp_is_off_where_it_is_switched_off() {
    let server = Running::recorded(Plan { udp: false, ..Plan::default() });
    assert_eq!(ask(&server, b"status", Duration::from_millis(200)), None);
}

#[test]
fn a_port_that_is_taken_is_logged_and_taken_over_when_free() {
    let other = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    let server = Running::recorded(Plan { port, udp: false, ..Plan::default() });
    let line = server.wait_for_line("cannot bind");
    let start = format!("apcserver: cannot bind port {port}. ERR=Address already in use");
    assert!(line.starts_with(&start), "{line}");
    drop(other);
    server.wait_for_line("now listening");
    Nis::connect(("127.0.0.1", port), TIMEOUT).unwrap().status().unwrap();
}

#[test]
fn new_settings_keep_clients_and_listeners_that_stay() {
    let port = support::free_port();
    let plan = Plan { port, ..Plan::default() };
    let server = Running::recorded(plan.clone());
    let mut client = connect(&server);
    client.write_all(STATUS).unwrap();
    take(&mut client, 1332);
    server.reconfigure(Plan { max_clients: 7, udp: false, ..plan.clone() });
    client.write_all(STATUS).unwrap();
    assert_eq!(take(&mut client, 1332), online());
    assert_eq!(
        Nis::connect(("127.0.0.1", port), TIMEOUT).unwrap().status().unwrap().get("UPSNAME"),
        Some("rack1")
    );
    server.reconfigure(Plan { allow: |_| false, ..plan });
    assert_eq!(rest(&mut client), b"");
}

#[test]
fn a_silent_client_is_let_go_after_fifteen_seconds() {
    let server = Running::recorded(Plan::default());
    let mut client = connect(&server);
    client.write_all(STATUS).unwrap();
    take(&mut client, 1332);
    let began = Instant::now();
    server.skip(Duration::from_secs(10));
    client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let early = client.read(&mut [0; 1]).map_err(|error| error.kind());
    // A machine on which these lines take seconds may see it go.
    let slow = began.elapsed() > Duration::from_secs(4);
    assert!(slow || early == Err(ErrorKind::WouldBlock), "{early:?}");
    client.set_read_timeout(Some(TIMEOUT)).unwrap();
    server.skip(Duration::from_secs(5));
    assert_eq!(rest(&mut client), b"");
    // One turn to accept and answer, two for each skip, one to let go; some more for what the system adds.
    assert!(server.stop() < 24, "the server does not sleep while a client is silent");
}
