//! `mainsd status --watch`: at a daemon that pushes and a server that does not, as lines, as JSON and on a terminal.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::support::access::text;
use crate::support::answering::framed;
use crate::support::terminal::Terminal;
use crate::support::{Lines, Nis, Serial, Setup, TIMEOUT, free_port, poll_until, send_signal};

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(Setup::new("").program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped());
    command.env_remove("NO_COLOR").env("TERM", "xterm").env("LANG", "C.UTF-8");
    command
}

/// The client in a pipe, and its lines.
fn lines(args: &[&str]) -> (Child, Lines) {
    let mut child = command(args).spawn().unwrap();
    let lines = Lines::collect(child.stdout.take().unwrap());
    (child, lines)
}

fn shown(lines: &Lines, from: usize, part: &str) -> (usize, String) {
    let found = lines.wait(from, TIMEOUT, |line| line.contains(part));
    found.map(|(at, line)| (at, line.text)).unwrap_or_else(|| panic!("no {part}:\n{}", lines.text()))
}

fn ends(child: &mut Child) {
    let status = poll_until(TIMEOUT, || child.try_wait().unwrap());
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

fn watched() -> (Serial, String) {
    let serial = Serial::on_line(|setup| {
        setup.with("NOLOGON", "disable").with("BATTERYLEVEL", "5").with("MINUTES", "3")
    });
    let at = format!("127.0.0.1:{}", serial.daemon.port());
    (serial, at)
}

/// A server of port 3551 as apcupsd has it: it knows `status` and `events` only, and says so or closes. What it was asked.
fn old_server(closes: bool) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let answer = |request: &str| {
        let text = match request {
            "status" => text("status-apcsmart-online.bin"),
            "events" => text("events.bin"),
            _ => return framed(&[b"Invalid command\n\0"]),
        };
        framed(&text.split_inclusive('\n').map(str::as_bytes).collect::<Vec<_>>())
    };
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut writer = stream;
            let mut length = [0; 2];
            while reader.read_exact(&mut length).is_ok() {
                let mut request = vec![0; usize::from(u16::from_be_bytes(length))];
                reader.read_exact(&mut request).unwrap();
                let request = String::from_utf8(request).unwrap();
                if closes && request == "watch" {
                    heard.lock().unwrap().push(request);
                    break;
                }
                writer.write_all(&answer(&request)).unwrap();
                heard.lock().unwrap().push(request);
            }
        }
    });
    (address, asked)
}

#[test]
fn in_a_pipe_each_change_is_a_line_with_the_events_between() {
    let (serial, at) = watched();
    let (mut child, lines) = lines(&["status", "--watch", &at]);
    let (first, line) = shown(&lines, 0, "ON MAINS: ");
    assert!(
        line.ends_with("ON MAINS: line 230.0 V, load 24.0 %, charge 100.0 %, runtime 60.0 min"),
        "{line}"
    );
    serial.unit().fail_mains();
    let (lost, _) = shown(&lines, first, "ON BATTERY: ");
    shown(&lines, first, "  Power failure.");
    serial.unit().restore_mains();
    shown(&lines, lost, "ON MAINS: ");
    assert!(!lines.text().contains('\x1b'), "{}", lines.text());
    // By the push protocol: it is not asked again and again.
    let mut nis = Nis::connect(&at, TIMEOUT).unwrap();
    let clients = nis.ask(b"clients").unwrap();
    assert!(clients.iter().any(|client| client.starts_with(b"watch ")), "{clients:?}");
    send_signal(child.id(), "INT");
    ends(&mut child);
}

#[test]
fn as_json_each_answer_is_an_object_on_a_line() {
    let (serial, at) = watched();
    let (mut child, lines) = lines(&["apcaccess", "--json", "--watch", "status", &at]);
    shown(&lines, 0, "\"STATUS\": \"ONLINE\"");
    serial.unit().fail_mains();
    shown(&lines, 0, "\"STATUS\": \"ONBATT\"");
    for line in lines.since(0) {
        let value: serde_json::Value = serde_json::from_str(&line.text).unwrap();
        assert!(value["BCHARGE"].is_number() && value["END APC"].is_string(), "{}", line.text);
    }
    send_signal(child.id(), "TERM");
    ends(&mut child);
}

#[test]
fn a_server_that_does_not_push_is_asked_each_second() {
    for closes in [false, true] {
        let (at, asked) = old_server(closes);
        let (mut child, lines) = lines(&["status", "--watch", &at.to_string()]);
        shown(&lines, 0, "04:09:56  ON MAINS: line 229.7 V, load ");
        let asks = |word: &str| asked.lock().unwrap().iter().filter(|asked| *asked == word).count();
        assert!(poll_until(TIMEOUT, || (asks("status") >= 3).then_some(())).is_some(), "{:?}", asked.lock());
        assert_eq!((asks("watch"), asks("events")), (1, 1));
        // What has happened since the first status is new, and only that.
        shown(&lines, 0, "04:10:54  Running on UPS batteries.");
        assert!(!lines.text().contains("startup succeeded"), "{}", lines.text());
        send_signal(child.id(), "INT");
        ends(&mut child);
    }
}

#[test]
fn a_lost_connection_is_told_and_tried_again() {
    let port = free_port();
    let at = format!("127.0.0.1:{port}");
    let (mut child, lines) = lines(&["status", "--watch", &at]);
    shown(&lines, 0, "nothing listens at 127.0.0.1:");
    let fixed = |setup: Setup| setup.replaced("NISPORT", &port.to_string()).with("NOLOGON", "disable");
    let daemon =
        crate::support::Daemon::start_in(&fixed(Setup::new("test")), crate::support::Scratch::new(), port);
    let (there, _) = shown(&lines, 0, "ON MAINS: ");
    drop(daemon);
    // It depends on what was under way whether the connection was closed, was reset, or none could be made.
    let (gone, words) = shown(&lines, there, &at);
    let losses = ["closes the connection", "nothing listens", "the answer ends", "reset"];
    assert!(losses.iter().any(|loss| words.contains(loss)), "{words}");
    assert_eq!(lines.since(gone).iter().filter(|line| line.text == words).count(), 1, "{}", lines.text());
    send_signal(child.id(), "HUP");
    ends(&mut child);
}

#[test]
fn a_host_is_watched_by_its_name_and_one_without_an_address_is_said() {
    let (_serial, at) = watched();
    let (mut child, lines) = lines(&["status", "--watch", &at.replace("127.0.0.1", "localhost")]);
    shown(&lines, 0, "ON MAINS: ");
    send_signal(child.id(), "HUP");
    ends(&mut child);
    let (mut child, lines) = self::lines(&["status", "--watch", "nowhere.invalid:3551"]);
    shown(&lines, 0, "no such host: nowhere.invalid");
    send_signal(child.id(), "HUP");
    ends(&mut child);
}

#[test]
fn a_reader_that_has_gone_ends_it_without_a_word() {
    let (_serial, at) = watched();
    let mut child = command(&["status", "--watch", &at]).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 8]).unwrap();
    drop(out);
    ends(&mut child);
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn on_a_terminal_it_is_drawn_and_the_terminal_is_given_back() {
    let (serial, at) = watched();
    for key in [&b"q"[..], b"\x04", b""] {
        let mut terminal = Terminal::open();
        let mut client = command(&["status", "--watch", &at]);
        let mut child = client.stdin(terminal.stdio()).stdout(terminal.stdio()).spawn().unwrap();
        let drawn = terminal.wait(0, "ON MAINS");
        terminal.wait(0, "Smart-UPS 1000");
        terminal.wait(0, "each change is told");
        assert!(!terminal.is_ordinary());
        serial.unit().fail_mains();
        let drawn = terminal.wait(drawn, "ON BATTERY");
        terminal.wait(drawn, "Power failure.");
        serial.unit().restore_mains();
        terminal.wait(drawn, "ON MAINS");
        if key.is_empty() {
            send_signal(child.id(), "INT");
        } else {
            terminal.press(key);
        }
        ends(&mut child);
        terminal.wait(0, "\x1b[?25h\x1b[?1049l");
        assert!(terminal.is_ordinary());
    }
}

#[test]
fn who_watches_does_not_hold_a_shutdown_up() {
    let serial = Serial::on_line(|setup| {
        setup.with("NOLOGON", "disable").with("TIMEOUT", "1").with("SLAVEWAIT", "600")
    });
    let at = format!("127.0.0.1:{}", serial.daemon.port());
    let (mut child, lines) = lines(&["status", "--watch", &at]);
    shown(&lines, 0, "ON MAINS");
    serial.unit().fail_mains();
    shown(&lines, 0, "SHUTTING DOWN");
    serial.daemon.wait_for_hook("doshutdown", TIMEOUT);
    send_signal(child.id(), "INT");
    ends(&mut child);
}

#[test]
fn only_the_whole_status_is_watched() {
    let done = crate::support::run(["events", "--watch"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(done.stderr.contains("--watch shows the whole status"), "{}", done.stderr);
}
