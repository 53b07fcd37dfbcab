//! Who of those of port 3551 is a slave.

use super::*;

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
    drop(monitor);
    bench.wait_until_empty();
    assert!(bench.server.take_came_or_went() && !bench.server.take_came_or_went());
    let mut asking = bench.client(b"\0\x07clients");
    assert_eq!(lines(&mut asking), "polling  2026-11-21 04:09:52 +0100  127.0.0.1\n");
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
