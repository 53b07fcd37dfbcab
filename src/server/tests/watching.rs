//! Those who watch.

use super::*;

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
fn a_watcher_that_does_not_read_is_disconnected_however_often_the_state_changes() {
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
        bench.now += Nis::TIMEOUTS.push_apart;
        bench.server.push(bench.now, &mut bench.source);
        if bench.server.connections.queues.first(State::Writing).is_some() {
            break;
        }
    }
    assert!(bench.server.connections.queues.first(State::Writing).is_some(), "the kernel took everything");
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
