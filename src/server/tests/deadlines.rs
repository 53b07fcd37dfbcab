//! Time limits, turns and places.

use super::*;

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
fn a_client_that_does_not_read_is_disconnected_after_fifteen_seconds() {
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
fn a_slow_request_makes_room_before_an_idle_client() {
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
    assert_eq!((bench.server.clients(), bench.server.connections.capacity()), (0, 0));
    let mut client = bench.client(b"\0\x06status");
    client.read_exact(&mut [0; 8]).unwrap();
}

#[test]
fn a_connection_costs_less_than_two_hundred_bytes() {
    assert!(
        size_of::<Option<Connection<<Nis as Protocol>::Session>>>() < 200,
        "{}",
        size_of::<Option<Connection<<Nis as Protocol>::Session>>>()
    );
}
