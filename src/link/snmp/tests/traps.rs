//! What a card sends by itself.

use super::*;

/// A notification of v1, of v2c, and one that is to be acknowledged.
fn notification(kind: u8) -> Vec<u8> {
    let integer = |value: i64| ber::element(2, &ber::integer(value));
    let enterprise = ber::element(6, &ber::oid(&[1, 3, 6, 1, 4, 1, 318]));
    let (version, content) = match kind {
        0xa4 => {
            let address = ber::element(0x40, &[10, 0, 0, 7]);
            let uptime = ber::element(0x43, &[1]);
            (0, [enterprise, address, integer(6), integer(5), uptime, ber::element(0x30, &[])].concat())
        }
        _ => (1, [integer(99), integer(0), integer(0), ber::element(0x30, &[])].concat()),
    };
    let message = [integer(version), ber::element(4, b"traps"), ber::element(kind, &content)].concat();
    ber::element(0x30, &message)
}

fn send(bench: &mut Bench, bytes: &[u8], from: IpAddr) {
    let event = Event::Bytes { bytes: bytes.to_vec(), from: (from, 49_152).into(), socket: Socket::Listener };
    bench.link.handle_event(bench.now, event);
}

#[test]
fn a_notification_from_the_card_has_it_looked_at_at_once() {
    for kind in [0xa4, 0xa7, 0xa6] {
        let mut bench = Bench::watched(Unit::powernet());
        bench.run(6 * SECOND + DELAY);
        bench.unit.mains(false);
        let failed = bench.now;
        send(&mut bench, &notification(kind), CARD);
        bench.run(SECOND / 5);
        assert!(bench.reading().status.contains(StatusFlags::ONBATT), "{kind:x}");
        assert!(bench.reading().read.of(Item::Line).unwrap() - failed <= 2 * DELAY);
        assert_eq!(bench.acknowledged.len(), usize::from(kind == 0xa6));
    }
}

#[test]
fn what_others_send_and_what_is_no_notification_is_nothing() {
    let mut bench = Bench::watched(Unit::powernet());
    bench.run(6 * SECOND);
    let request = bench.requests[0].1.clone();
    let before = bench.requests.len();
    send(&mut bench, &notification(0xa4), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)));
    send(&mut bench, &request, CARD);
    send(&mut bench, b"\x30\x03\x02\x01\x07", CARD);
    bench.transmit();
    assert_eq!(bench.requests.len(), before);
    assert!(bench.acknowledged.is_empty());
}

#[test]
fn a_flood_of_them_is_a_few_looks() {
    let mut bench = Bench::watched(Unit::powernet());
    let before = bench.requests.len();
    for _ in 0..1000 {
        send(&mut bench, &notification(0xa6), CARD);
        bench.run(SECOND / 100);
    }
    assert!(bench.requests.len() - before < 40, "{}", bench.requests.len() - before);
    assert!(bench.acknowledged.len() < 10);
    assert!(bench.lost().is_none());
}
