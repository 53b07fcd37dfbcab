//! Port 3551 under load, next to apcupsd where that is installed: `cargo bench --bench nis`.
//!
//! Each server is a process of its own on the loopback interface; ours is `server::Server` with a loop of a few lines,
//! so that the server is measured and not a driver. apcupsd runs with a device that does not exist and hooks that do
//! nothing; it answers all the same.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mainsd::server::Settings;
use mainsd::server::nis::{Cache, Nis, Server, StatusSource};
use support::attack::{ATTACKS, Attack, STATUS};
use support::served::{Plan, Running};
use support::{Scratch, TIMEOUT, free_port, poll_until};

/// Files that the many-client measurements need.
const FILES: u32 = 4096;
/// How long one answer may take under an attack before it is called none.
const BORNE: Duration = Duration::from_secs(5);
/// How long each rate is measured.
const SPAN: Duration = Duration::from_secs(2);

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve(),
        Some("measure") => measure(),
        // Thousands of sockets need a higher limit than most logins have; only a shell can raise it for us.
        _ => {
            let status = again("measure").status().unwrap();
            assert!(status.success(), "{status}");
        }
    }
}

/// This program again, with more files.
fn again(part: &str) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n \"$0\" && exec \"$1\" \"$2\""])
        .arg(FILES.to_string())
        .arg(program)
        .arg(part);
    command
}

fn serve() {
    let server = Running::recorded(Plan { max_clients: 3000, ..Plan::default() });
    println!("{}", server.address());
    // Until the one who started us closes our input.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A server process. Dropped, it is killed.
struct Process {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    _scratch: Option<Scratch>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn mainsd() -> Process {
    let mut child = again("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Process { name: "mainsd", address: line.trim().parse().unwrap(), child, _scratch: None }
}

fn apcupsd() -> Option<Process> {
    let program =
        ["/usr/sbin/apcupsd", "/sbin/apcupsd"].into_iter().find(|p| std::path::Path::new(p).exists())?;
    let scratch = Scratch::new();
    scratch.script("apccontrol", "#!/bin/sh\nexit 0\n");
    let (dir, port) = (scratch.path().display().to_string(), free_port());
    let conf = scratch.file(
        "conf",
        format!(
            "## apcupsd.conf v1.1 ##\nUPSCABLE smart\nUPSTYPE apcsmart\nDEVICE {dir}/none\nLOCKFILE {dir}\n\
             SCRIPTDIR {dir}\nPWRFAILDIR {dir}\nNOLOGINDIR {dir}\nNETSERVER on\nNISIP 127.0.0.1\nNISPORT {port}\n\
             EVENTSFILE {dir}/events\nUPSCLASS standalone\nUPSMODE disable\n"
        ),
    );
    let child = Command::new("sh")
        .args(["-c", "ulimit -n \"$0\" && exec \"$@\""])
        .arg(FILES.to_string())
        .args([program, "-b", "-f"])
        .arg(conf)
        .arg("-P")
        .arg(scratch.path().join("pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let process = Process { name: "apcupsd", child, address, _scratch: Some(scratch) };
    poll_until(TIMEOUT, || TcpStream::connect(address).ok())?;
    Some(process)
}

impl Process {
    /// A figure of the process in kibibytes.
    fn memory(&self, key: &str) -> i64 {
        let text =
            std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).map_or(0, Iterator::count)
    }

    /// Processor time used so far, in seconds.
    fn cpu(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = fields.iter().skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum();
        ticks / 100.0
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Client { stream, buffer: vec![0; 1 << 16] }
    }
}

struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// One request and its whole answer, if it comes.
    fn try_ask(&mut self) -> io::Result<()> {
        self.stream.write_all(STATUS)?;
        self.try_answer()
    }

    /// As 3.14.14's own clients send: length and command are two writes, and the second waits for an acknowledgement.
    fn ask_in_two(&mut self) {
        self.stream.write_all(&STATUS[..2]).unwrap();
        self.stream.write_all(&STATUS[2..]).unwrap();
        self.answer();
    }

    /// One request and its whole answer.
    fn ask(&mut self) {
        self.stream.write_all(STATUS).unwrap();
        self.answer();
    }

    fn answer(&mut self) {
        self.try_answer().unwrap();
    }

    fn try_answer(&mut self) -> io::Result<()> {
        let mut got = 0;
        loop {
            let n = self.stream.read(&mut self.buffer[got..])?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            got += n;
            // Records end in a newline, so this can only be the end frame.
            if self.buffer[..got].ends_with(b"\n\0\0") {
                return Ok(());
            }
        }
    }
}

/// Repeats `work` for a while: repetitions a second, and the times of the median, the 99th percentile and the slowest.
fn rate(mut work: impl FnMut()) -> (f64, [f64; 3]) {
    try_rate(|| {
        work();
        Ok(())
    })
    .unwrap()
}

/// The same with work that may fail.
fn try_rate(mut work: impl FnMut() -> io::Result<()>) -> io::Result<(f64, [f64; 3])> {
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed() < SPAN {
        let one = Instant::now();
        work()?;
        times.push(one.elapsed().as_secs_f64() * 1e3);
    }
    #[allow(clippy::cast_precision_loss)]
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    Ok((rate, [at(50), at(99), at(100)]))
}

fn print_rate(server: &Process, what: &str, (rate, [median, high, most]): (f64, [f64; 3])) {
    println!("{:<8} {what:<51} {rate:>9.0} /s   {median:>8.3} {high:>8.3} {most:>8.3} ms", server.name);
}

fn measure() {
    println!(
        "{:<8} {:<51} {:>9}      {:>8} {:>8} {:>8}",
        "server", "clients", "answers", "median", "99 %", "worst"
    );
    for server in std::iter::once(mainsd()).chain(apcupsd()) {
        let mut client = server.connect();
        print_rate(&server, "one, connection kept", rate(|| client.ask()));
        client.stream.set_nodelay(false).unwrap();
        print_rate(&server, "one, kept, request in two segments", rate(|| client.ask_in_two()));
        print_rate(&server, "one, new connection each time", rate(|| server.connect().ask()));
        drop(client);
        idle(&server);
        let name = server.name;
        drop(server);
        for attack in &ATTACKS {
            // A server of its own for each, so that none suffers from the one before.
            let server = if name == "mainsd" { mainsd() } else { apcupsd().unwrap() };
            beside(&server, attack);
        }
    }
    watchers();
}

/// 1,000 clients that do nothing: what they cost, and what they cost others.
fn idle(server: &Process) {
    let before = (server.memory("Pss:"), server.memory("Anonymous:"), server.threads());
    let clients: Vec<Client> =
        (0..1000).filter_map(|_| TcpStream::connect(server.address).ok()).map(bare).collect();
    // The answer to one that came last shows that all have been accepted.
    let mut client = server.connect();
    client.ask();
    let (pss, anonymous) = (server.memory("Pss:") - before.0, server.memory("Anonymous:") - before.1);
    let threads = server.threads() - before.2;
    println!(
        "{:<8} {} idle clients: + {pss} KiB proportional, + {anonymous} KiB anonymous, + {threads} threads",
        server.name,
        clients.len()
    );
    let cpu = server.cpu();
    std::thread::sleep(SPAN);
    let still = 100.0 * (server.cpu() - cpu) / SPAN.as_secs_f64();
    println!(
        "{:<8} {:<51} {still:>8.1} %",
        server.name, "  its processor time beside 1,000 idle and no other"
    );
    let cpu = server.cpu();
    print_rate(server, "one, new, beside 1,000 idle", rate(|| server.connect().ask()));
    print_rate(server, "one, kept, beside 1,000 idle", rate(|| client.ask()));
    let busy = server.cpu() - cpu;
    println!(
        "{:<8} {:<51} {:>8.0} %",
        server.name,
        "  its processor time meanwhile",
        50.0 * busy / SPAN.as_secs_f64()
    );
}

fn bare(stream: TcpStream) -> Client {
    Client { stream, buffer: Vec::new() }
}

/// One well-behaved client beside many of the other kind, on a kept connection and on new ones.
fn beside(server: &Process, attack: &Attack) {
    let (ready, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let before = server.memory("Anonymous:");
    std::thread::scope(|scope| {
        scope.spawn(|| attack.rage(server.address, &ready, &stop));
        let all = poll_until(TIMEOUT, || ready.load(Ordering::Relaxed).then_some(()));
        let cpu = server.cpu();
        let started = Instant::now();
        let connect = || -> io::Result<Client> {
            let stream = TcpStream::connect_timeout(&server.address, BORNE)?;
            stream.set_read_timeout(Some(BORNE))?;
            stream.set_nodelay(true)?;
            Ok(Client { stream, buffer: vec![0; 1 << 16] })
        };
        let kept = connect().and_then(|mut client| try_rate(|| client.try_ask()));
        let new = try_rate(|| connect()?.try_ask());
        for (how, result) in [("kept", kept), ("new ", new)] {
            let what = format!("{how}, beside {}", attack.name);
            match result {
                Ok(result) => print_rate(server, &what, result),
                Err(error) => println!("{:<8} {what:<51} no answer: {error}", server.name),
            }
        }
        println!(
            "{:<8} {:<51} {:>+9} KiB anonymous, {:.0} % processor{}",
            server.name,
            "  meanwhile",
            server.memory("Anonymous:") - before,
            100.0 * (server.cpu() - cpu) / started.elapsed().as_secs_f64(),
            if all.is_some() { "" } else { ", not all were accepted" }
        );
        stop.store(true, Ordering::Relaxed);
    });
}

/// What a change of state costs with 1,000 clients that watch.
fn watchers() {
    struct Source(Cache);
    impl StatusSource for Source {
        fn status(&mut self) -> std::rc::Rc<[u8]> {
            let now = self.stamp();
            self.0.status(now, |_| ())
        }
        fn events(&mut self) -> std::rc::Rc<[u8]> {
            std::rc::Rc::from(&[0, 0][..])
        }
        fn stamp(&mut self) -> mainsd::report::Stamp {
            mainsd::report::Stamp::new(1_795_230_596, 3600)
        }
    }
    let settings = Settings {
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        port: 0,
        udp: false,
        allow: Box::new(|_| true),
        max_clients: 3000,
    };
    let mut poll = mio::Poll::new().unwrap();
    let mut events = mio::Events::with_capacity(256);
    let mut server = Server::new(Nis::default(), settings, mio::Token(1));
    server.open(poll.registry(), Instant::now());
    let address = server.local_addresses().next().unwrap();
    let mut source = Source(Cache::default());
    let mut turn = |server: &mut Server, source: &mut Source| {
        poll.poll(&mut events, Some(Duration::ZERO)).ok();
        for event in &events {
            server.ready(poll.registry(), event, Instant::now(), source);
        }
        server.handle_timeout(poll.registry(), Instant::now(), source);
    };
    let mut clients = Vec::new();
    for _ in 0..1000 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"\0\x05watch").unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        clients.push(Client { stream, buffer: vec![0; 4096] });
        turn(&mut server, &mut source);
    }
    poll_until(TIMEOUT, || {
        turn(&mut server, &mut source);
        (server.slaves(Instant::now()).len() == clients.len()).then_some(())
    })
    .unwrap();
    clients.iter_mut().for_each(Client::answer);
    let mut times: Vec<f64> = (0..20)
        .map(|change| {
            source.0.update().transfers = change;
            let start = Instant::now();
            // Pushes that follow one another closely would become one.
            server.push(start + Duration::from_secs(1) * (change + 1), &mut source);
            let took = start.elapsed().as_secs_f64() * 1e3;
            clients.iter_mut().for_each(Client::answer);
            took
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "mainsd   1,000 that watch, told of a change: {:.1} ms median, {:.1} ms worst",
        times[10], times[19]
    );
}
