//! Port 3551 under a crowd and under attack. Each test needs most of the files a process may have.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::attack::Stop;
use crate::support::runner::{Group, tests};
use crate::support::served::{Plan, Running};
use crate::support::{Nis, TIMEOUT};
use mainsd::sys::socket::max_open_files;

pub const TESTS: Group = Group {
    apart: Some(1),
    tests: tests![
        a_well_behaved_client_is_answered_beside_idle_ones,
        a_well_behaved_client_is_answered_beside_slow_ones,
        a_well_behaved_client_is_answered_in_a_flood_of_requests,
        a_well_behaved_client_is_answered_beside_garbage,
    ],
    ..Group::new(module_path!())
};

/// Far above what an answer takes here, also on a busy machine; a client that is starved waits for ever.
const LIMIT: Duration = Duration::from_secs(30);

const STATUS: &[u8] = b"\0\x06status";

/// Clients that this process can hold together with the server's ends of them.
fn crowd() -> usize {
    (max_open_files().saturating_sub(100) / 2).min(600)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Asks on new and on kept connections; the longest wait for an answer.
fn longest_wait(server: &Running, rounds: u32) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        let started = Instant::now();
        let mut client = Nis::connect(server.address(), TIMEOUT).unwrap();
        for _ in 0..3 {
            assert!(client.status().unwrap().is("STATUS", "ONLINE"));
        }
        longest = longest.max(started.elapsed());
    }
    longest
}

fn a_well_behaved_client_is_answered_beside_idle_ones() {
    let crowd = crowd();
    let server = Running::recorded(Plan { max_clients: crowd * 5 / 6, ..Plan::default() });
    let mut clients: Vec<TcpStream> = (0..crowd).map(|_| connect(server.address())).collect();
    assert!(longest_wait(&server, 20) < LIMIT);
    // The newest have their place still, and the oldest lost theirs.
    for client in clients.iter_mut().rev().take(crowd / 3) {
        client.write_all(STATUS).unwrap();
        client.read_exact(&mut [0; 1332]).unwrap();
    }
    assert_eq!(clients[0].read(&mut [0; 1]).unwrap_or(0), 0);
    server.wait_for_line("NISMAXCLIENTS");
}

fn a_well_behaved_client_is_answered_beside_slow_ones() {
    let crowd = crowd();
    let server = Running::recorded(Plan { max_clients: crowd, ..Plan::default() });
    let mut clients: Vec<TcpStream> = (0..crowd).map(|_| connect(server.address())).collect();
    for byte in &STATUS[..7] {
        for client in &mut clients {
            client.write_all(&[*byte]).ok();
        }
        assert!(longest_wait(&server, 2) < LIMIT);
    }
}

fn a_well_behaved_client_is_answered_in_a_flood_of_requests() {
    let server = Running::recorded(Plan::default());
    let address = server.address();
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let stopped = Stop(&stop);
        for _ in 0..4 {
            scope.spawn(|| {
                let mut clients: Vec<_> = (0..10).map(|_| (connect(address), 0)).collect();
                for (stream, _) in &clients {
                    stream.set_nonblocking(true).unwrap();
                }
                let flood = STATUS.repeat(64);
                let mut sink = vec![0; 1 << 16];
                while !stop.load(Ordering::Relaxed) {
                    for client in &mut clients {
                        let (stream, sent) = client;
                        *sent += stream.write(&flood[*sent % STATUS.len()..]).unwrap_or(0);
                        answered.fetch_add(stream.read(&mut sink).unwrap_or(0), Ordering::Relaxed);
                    }
                }
            });
        }
        let longest = longest_wait(&server, 20);
        drop(stopped);
        assert!(longest < LIMIT, "{longest:?}");
    });
    assert!(answered.load(Ordering::Relaxed) > 1 << 20, "the flood was no flood");
}

fn a_well_behaved_client_is_answered_beside_garbage() {
    let server = Running::recorded(Plan::default());
    for n in 0..300_u16 {
        let mut client = connect(server.address());
        client.write_all(&[&n.to_le_bytes()[..], &[0xff; 40]].concat()).ok();
        if n % 3 == 0 {
            assert_eq!(client.read(&mut [0; 64]).unwrap_or(0), 0);
        }
    }
    assert!(longest_wait(&server, 5) < LIMIT);
}
