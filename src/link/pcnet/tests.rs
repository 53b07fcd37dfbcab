mod random;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const PHRASE: &str = "admin user phrase";

/// A card, and the link that hears it.
struct Bench {
    link: PcnetLink,
    now: Instant,
    counters: Counters,
    events: Vec<LinkEvent>,
    sent: Vec<Transmit>,
}

fn card() -> Card {
    Card::new("10.0.0.1", ("apc", PHRASE), 80)
}

#[allow(clippy::disallowed_methods, reason = "any moment will do")]
fn start() -> Instant {
    Instant::now()
}

impl Bench {
    fn new(card: Option<Card>, counters: Option<[u32; 2]>) -> Self {
        let now = start();
        let link = PcnetLink::new(Settings { card, port: PORT, counters }, now);
        let mut bench = Self {
            link,
            now,
            counters: Counters { starts: 9, uptime: 0x1b_ed3f },
            events: Vec::new(),
            sent: Vec::new(),
        };
        bench.pump();
        bench
    }

    fn pump(&mut self) {
        self.link.handle_timeout(self.now);
        while let Some(transmit) = self.link.poll_transmit(self.now) {
            if transmit == Transmit::LookUp {
                let found = Event::Addresses(Ok(vec!["10.0.0.1".parse().unwrap()]));
                self.link.handle_event(self.now, found);
            }
            self.sent.push(transmit);
        }
        self.events.extend(std::iter::from_fn(|| self.link.poll_event()));
    }

    /// The next packet of the card, `seconds` after the last.
    fn packet(&mut self, seconds: u32, lines: &str) -> Vec<u8> {
        self.now += seconds * SECOND;
        self.counters.uptime += 100 * seconds + 1;
        signed("10.0.0.1", self.counters, lines, PHRASE)
    }

    fn hear(&mut self, bytes: &[u8], from: &str) {
        self.events.clear();
        let from = SocketAddr::new(from.parse().unwrap(), 1024);
        self.link.handle_event(self.now, Event::Datagram { bytes: bytes.to_vec(), from });
        self.pump();
    }

    fn says(&mut self, seconds: u32, lines: &str) {
        let packet = self.packet(seconds, lines);
        self.hear(&packet, "10.0.0.1");
    }

    fn reading(&self) -> Option<&Reading> {
        self.events.iter().rev().find_map(|event| match event {
            LinkEvent::Reading(reading) => Some(&**reading),
            _ => None,
        })
    }

    fn status(&self) -> Option<StatusFlags> {
        self.reading().map(|reading| reading.status)
    }

    fn logged(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match event {
                LinkEvent::Log(_, text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    fn lost(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            LinkEvent::Lost { reason } => Some(reason.as_str()),
            _ => None,
        })
    }

    fn passes(&mut self, seconds: u32) {
        self.events.clear();
        for _ in 0..seconds {
            self.now += SECOND;
            self.pump();
        }
    }

    fn web(&mut self, event: stream::Event) {
        self.link.handle_event(self.now, Event::Stream(event));
        self.pump();
    }

    fn killed(&self) -> Option<&Result<String, String>> {
        self.events.iter().find_map(|event| match event {
            LinkEvent::Command(result) => Some(&result.outcome),
            _ => None,
        })
    }

    fn requested(&self) -> Option<String> {
        self.sent.iter().rev().find_map(|transmit| match transmit {
            Transmit::Stream(stream::Transmit::Send(bytes)) => {
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
            _ => None,
        })
    }
}

fn signed(card: &str, counters: Counters, lines: &str, phrase: &str) -> Vec<u8> {
    let Counters { starts, uptime } = counters;
    let text = format!("MASTATUS\n<BODY>\nMV=v1.7.0\nPC={card}\nSR={starts:02X}\nSU={uptime:06X}\n{lines}\n");
    let digest = Secret::new("apc", phrase).sign(&[text.as_bytes()]);
    format!("{text}MD={}\n</BODY>\n", String::from_utf8_lossy(&digest)).into_bytes()
}

const ON_LINE: &str = "SD=0\n51=08\n4C=230.4\n66=100.0\n6A=0031:\n47=O\n01=Smart-UPS 1000";
const ON_BATTERY: &str = "SD=0\n51=10\n4C=000.0\n66=099.0\n6A=0030:\n47=L\n01=Smart-UPS 1000";

#[test]
fn a_signed_packet_is_a_reading_that_is_believed_at_once() {
    let mut bench = Bench::new(Some(card()), Some([9, 0]));
    bench.says(1, ON_LINE);
    let attached = |event: &LinkEvent| matches!(event, LinkEvent::Attached(ups) if ups.model.as_deref() == Some("Smart-UPS 1000"));
    assert!(bench.events.iter().any(attached), "{:?}", bench.events);
    assert!(bench.events.contains(&LinkEvent::Counters([9, 0x1b_ed3f + 101])));
    let reading = bench.reading().unwrap();
    assert_eq!(reading.status, StatusFlags::ONLINE | StatusFlags::BATTPRESENT);
    assert_eq!(reading.values.runtime_left.unwrap().0, 31.0);
    bench.says(7, ON_BATTERY);
    let reading = bench.reading().unwrap();
    assert!(reading.status.contains(StatusFlags::ONBATT) && reading.evidence == Evidence::AlertAndRead);
    assert!(!bench.events.iter().any(attached), "it is the same one");
}

#[test]
fn packets_of_others_and_old_ones_are_refused_with_a_line_each_ten_minutes() {
    let mut bench = Bench::new(Some(card()), Some([9, 0]));
    let first = bench.packet(1, ON_LINE);
    bench.hear(&first, "10.0.0.1");
    let later = Counters { starts: 10, uptime: 0 };
    let bad = [
        (signed("10.0.0.1", later, ON_BATTERY, "guessed"), "another user or pass phrase"),
        (signed("10.0.0.2", later, ON_BATTERY, PHRASE), "the card 10.0.0.2"),
        (first.clone(), "not newer"),
        (b"MASTATUS\n51=10\n".to_vec(), "not signed"),
        (ON_BATTERY.as_bytes().to_vec(), "not signed"),
    ];
    for (packet, reason) in &bad {
        bench.hear(packet, "10.0.0.1");
        assert_eq!(bench.status(), None, "{reason}");
    }
    for (packet, reason) in &bad[..3] {
        bench.now += LINE_INTERVAL;
        bench.hear(packet, "10.0.0.1");
        let lines = bench.logged();
        assert!(lines.iter().any(|line| line.contains(reason) && !line.contains(PHRASE)), "{lines:?}");
        for _ in 0..40 {
            bench.hear(packet, "10.0.0.1");
            assert_eq!(bench.logged(), Vec::<&str>::new());
        }
        bench.now += LINE_INTERVAL;
        bench.hear(packet, "10.0.0.1");
        assert!(bench.logged()[0].contains("(40 more before it)"), "{:?}", bench.logged());
    }
}

#[test]
fn what_stands_behind_the_digest_counts_for_nothing() {
    let mut bench = Bench::new(Some(card()), Some([9, 0]));
    let mut packet = bench.packet(1, ON_LINE);
    packet.extend_from_slice(b"51=50\nSD=1\n");
    bench.hear(&packet, "10.0.0.1");
    assert_eq!(bench.status(), Some(StatusFlags::ONLINE | StatusFlags::BATTPRESENT));
    assert!(!bench.events.contains(&LinkEvent::Remote(true)));
}

#[test]
fn a_card_that_counts_anew_is_believed_after_three_packets_on_mains_while_the_old_one_is_silent() {
    let mut bench = Bench::new(Some(card()), Some([9, 0]));
    bench.says(1, ON_LINE);
    let recorded = bench.packet(25, ON_LINE);
    bench.hear(&recorded, "10.0.0.1");
    let old = bench.counters;
    bench.counters = Counters { starts: 1, uptime: 500 };
    bench.says(25, ON_BATTERY);
    assert_eq!(bench.status(), None, "on battery it is not believed");
    for _ in 0..2 {
        bench.says(25, ON_LINE);
        assert_eq!(bench.status(), None);
    }
    bench.says(25, ON_BATTERY);
    assert_eq!(bench.status(), None, "nor does it count on");
    for expected in [None, None, Some(StatusFlags::ONLINE | StatusFlags::BATTPRESENT)] {
        bench.says(25, ON_LINE);
        assert_eq!(bench.status(), expected);
    }
    bench.says(25, ON_BATTERY);
    assert!(bench.status().unwrap().contains(StatusFlags::ONBATT));
    // Sent in one second, and while the card itself is heard, they are a recording.
    let mut bench = Bench::new(Some(card()), Some([9, 0]));
    bench.counters = old;
    for round in 0..4 {
        bench.says(25, ON_LINE);
        for uptime in 10 * round + 1..10 * round + 6 {
            let packet = signed("10.0.0.1", Counters { starts: 1, uptime }, ON_LINE, PHRASE);
            bench.hear(&packet, "10.0.0.1");
            assert_eq!(bench.status(), None);
        }
    }
    // One that was recorded keeps a card that counts anew from nothing, nor does its list of clients.
    let mut bench = Bench::new(Some(card()), Some([9, 0x20_0000]));
    let recorded = signed("10.0.0.1", Counters { starts: 9, uptime: 0x1f_0000 }, ON_LINE, PHRASE);
    bench.hear(&recorded, "10.0.0.1");
    bench.counters = Counters { starts: 1, uptime: 500 };
    for expected in [None, None, Some(StatusFlags::ONLINE | StatusFlags::BATTPRESENT)] {
        bench.says(25, "CL=00");
        bench.says(0, ON_LINE);
        assert_eq!(bench.status(), expected);
    }
    let recorded = bench.packet(0, ON_LINE);
    bench.hear(&recorded, "10.0.0.1");
    // The same packet again and again is no card.
    for _ in 0..10 {
        bench.now += 10 * SECOND;
        bench.hear(&recorded, "10.0.0.1");
        assert_eq!(bench.status(), None);
    }
}

#[test]
fn counters_of_an_earlier_run_keep_recorded_packets_out() {
    let mut bench = Bench::new(Some(card()), Some([9, 0x20_0000]));
    bench.says(1, ON_BATTERY);
    assert_eq!(bench.status(), None);
    // Without them one packet alone is no proof: whoever has recorded it can send it.
    let mut bench = Bench::new(Some(card()), None);
    bench.says(1, &ON_BATTERY.replace("SD=0", "SD=1"));
    assert_eq!(bench.reading().unwrap().evidence, Evidence::Poll);
    assert!(!bench.events.contains(&LinkEvent::Remote(true)));
    bench.says(25, &ON_BATTERY.replace("SD=0", "SD=1"));
    assert_eq!(bench.reading().unwrap().evidence, Evidence::AlertAndRead);
    assert!(bench.events.contains(&LinkEvent::Remote(true)));
}

#[test]
fn without_a_pass_phrase_the_first_sender_is_kept_until_it_is_lost_and_one_packet_is_no_proof() {
    let mut bench = Bench::new(None, Some([200, 0]));
    assert!(bench.logged()[0].contains("whoever sends"), "{:?}", bench.events);
    bench.says(1, ON_LINE);
    let other = bench.packet(1, ON_BATTERY);
    bench.hear(&other, "10.0.0.9");
    assert_eq!(bench.status(), None);
    assert!(bench.logged()[0].contains("packets of 10.0.0.1 are believed"), "{:?}", bench.logged());
    bench.says(25, &ON_BATTERY.replace("SD=0", "SD=1"));
    assert_eq!(bench.reading().unwrap().evidence, Evidence::Poll);
    assert!(!bench.events.contains(&LinkEvent::Remote(true)), "a second one is waited for");
    bench.says(25, &ON_BATTERY.replace("SD=0", "SD=1"));
    assert_eq!(bench.reading().unwrap().evidence, Evidence::Poll);
    assert!(bench.events.contains(&LinkEvent::Remote(true)));
    bench.passes(60);
    assert!(bench.lost().is_some());
    let other = bench.packet(1, ON_LINE);
    bench.hear(&other, "10.0.0.9");
    assert!(bench.status().is_some());
}

#[test]
fn silence_is_a_loss_after_55_s_and_a_packet_without_a_line_state_ends_none() {
    let mut bench = Bench::new(Some(card()), Some([9, 0]));
    bench.says(1, ON_LINE);
    bench.passes(54);
    assert_eq!(bench.lost(), None);
    bench.passes(2);
    assert!(bench.lost().unwrap().contains("no packet of the card has come for 55 s"), "{:?}", bench.events);
    assert_eq!(bench.link.poll_timeout(), None, "only a packet is waited for");
    bench.says(1, "66=100.0");
    assert_eq!(bench.reading(), None);
    bench.says(1, ON_LINE);
    assert!(bench.events.iter().any(|event| matches!(event, LinkEvent::Attached(_))));
    // Packets that say nothing of the line keep no UPS from being lost.
    bench.passes(24);
    bench.says(1, "66=100.0");
    bench.passes(24);
    bench.says(1, "66=100.0");
    bench.passes(6);
    assert!(bench.lost().is_some());
}

#[test]
fn a_value_that_is_not_sent_any_more_goes() {
    let mut bench = Bench::new(Some(card()), Some([9, 0]));
    bench.says(1, ON_LINE);
    for left in [true, true, false] {
        bench.says(25, "51=08\n66=100.0");
        assert_eq!(bench.reading().unwrap().values.runtime_left.is_some(), left);
    }
}

#[test]
fn an_order_of_the_card_is_told_and_taken_back() {
    let mut bench = Bench::new(Some(card()), Some([9, 0]));
    bench.says(1, ON_LINE);
    assert!(
        !bench.events.iter().any(|event| matches!(event, LinkEvent::Remote(_))),
        "nothing before the first"
    );
    bench.says(25, &ON_LINE.replace("SD=0", "SD=1"));
    assert!(bench.events.contains(&LinkEvent::Remote(true)));
    bench.says(25, ON_LINE);
    assert!(bench.events.contains(&LinkEvent::Remote(false)));
    bench.says(25, ON_LINE);
    assert!(!bench.events.iter().any(|event| matches!(event, LinkEvent::Remote(_))));
}

#[test]
fn a_card_with_a_name_is_known_by_the_addresses_of_that() {
    let named = Card::new("card.example", ("apc", PHRASE), 80);
    let mut link = PcnetLink::new(Settings { card: Some(named), port: PORT, counters: None }, start());
    let now = start();
    assert_eq!(link.poll_transmit(now), Some(Transmit::LookUp));
    let from = SocketAddr::new("10.0.0.1".parse().unwrap(), 1);
    let hear = |link: &mut PcnetLink, uptime, pc| {
        let bytes = signed(pc, Counters { starts: 1, uptime }, ON_LINE, PHRASE);
        link.handle_event(now, Event::Datagram { bytes, from });
        let events: Vec<LinkEvent> = std::iter::from_fn(|| link.poll_event()).collect();
        events.iter().any(|event| matches!(event, LinkEvent::Reading(_)))
    };
    assert!(!hear(&mut link, 1, "10.0.0.1"), "the address is not known yet");
    link.handle_event(now, Event::Addresses(Err("its name has no address".to_owned())));
    assert!(link.poll_timeout().is_some_and(|at| at <= now + LOOK_UP_INTERVAL));
    assert_eq!(link.poll_transmit(now + LOOK_UP_INTERVAL), Some(Transmit::LookUp));
    let found = ["10.0.0.7", "fd00::1"].map(|address| address.parse().unwrap());
    link.handle_event(now, Event::Addresses(Ok(found.to_vec())));
    assert!(
        !hear(&mut link, 2, "10.0.0.1") && hear(&mut link, 3, "10.0.0.7") && hear(&mut link, 4, "FD00:0::1")
    );
}

// Kill power.

fn page(counters: Counters, phrase: &str) -> Vec<u8> {
    let packet = signed("10.0.0.1", counters, "CS=A1B2C3", phrase);
    let at = packet.windows(2).position(|window| window == b"MD").unwrap();
    let text = String::from_utf8_lossy(&packet[..at]).replace("MASTATUS", "<html>");
    let digest = Secret::new("apc", phrase).sign(&[text.as_bytes()]);
    let body = format!("\r\n{text}MD={}\n</html>", String::from_utf8_lossy(&digest));
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
        .into_bytes()
}

fn ordered() -> Bench {
    let mut bench = Bench::new(Some(card()), Some([9, 0]));
    bench.says(1, ON_BATTERY);
    bench.link.command(Command::KillPower, bench.now);
    bench.pump();
    let connect = stream::Transmit::Connect { target: 0, timeout: SECOND * 5 };
    assert_eq!(bench.sent.last(), Some(&Transmit::Stream(connect)));
    bench.web(stream::Event::Connected);
    assert!(bench.requested().unwrap().starts_with("GET /macontrol.htm HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n"));
    bench
}

#[test]
fn the_order_to_switch_off_answers_the_challenge_of_the_page_and_tells_what_the_card_says() {
    let mut bench = ordered();
    let page = page(bench.counters, PHRASE);
    let (one, other) = page.split_at(60);
    bench.web(stream::Event::Bytes(one.to_vec()));
    bench.web(stream::Event::Bytes(other.to_vec()));
    let request = bench.requested().unwrap();
    assert!(request.starts_with("POST /Forms/macontrol1") && !request.contains(PHRASE), "{request}");
    let digest = Secret::new("apc", PHRASE).sign(&[b"macontrol1_control_shutdown_1=1,A1B2C3"]);
    assert!(request.as_bytes().ends_with(&digest));
    bench.web(stream::Event::Bytes(
        b"HTTP/1.1 303 See Other\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_vec(),
    ));
    assert!(
        bench.killed().unwrap().as_ref().is_ok_and(|words| words.contains("has taken the order")),
        "{:?}",
        bench.killed()
    );
    assert_eq!(bench.sent.last(), Some(&Transmit::Stream(stream::Transmit::Close)));
}

#[test]
fn a_card_that_closes_after_each_answer_is_connected_to_again() {
    let mut bench = ordered();
    let page = String::from_utf8(page(bench.counters, PHRASE)).unwrap();
    let page = page.replace("Transfer-Encoding: chunked", "Connection: close\r\nTransfer-Encoding: chunked");
    // Both come before anything can be done.
    let both = [
        stream::Event::Bytes(page.into_bytes()),
        stream::Event::Closed("the connection was closed".to_owned()),
    ];
    for event in both {
        bench.link.handle_event(bench.now, Event::Stream(event));
    }
    bench.pump();
    assert!(matches!(bench.sent.last(), Some(Transmit::Stream(stream::Transmit::Connect { .. }))));
    bench.web(stream::Event::Connected);
    assert!(bench.requested().unwrap().starts_with("POST"));
    bench.web(stream::Event::Bytes(b"HTTP/1.0 200 OK\r\n\r\nyes".to_vec()));
    bench.web(stream::Event::Closed("the connection was closed".to_owned()));
    assert!(bench.killed().unwrap().is_ok());
}

#[test]
fn an_order_that_does_not_come_through_is_told() {
    let failed = |bench: &Bench, words: &str| {
        let outcome = bench.killed().unwrap().clone();
        assert!(
            outcome.as_ref().is_err_and(|said| said.contains(words) && !said.contains(PHRASE)),
            "{outcome:?}"
        );
    };
    let mut bench = ordered();
    bench.web(stream::Event::Closed("Connection refused".to_owned()));
    failed(&bench, "Connection refused");
    let mut bench = ordered();
    bench.web(stream::Event::Bytes(page(bench.counters, "guessed")));
    failed(&bench, "another user or pass phrase");
    let mut bench = ordered();
    bench.web(stream::Event::Bytes(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()));
    failed(&bench, "status 404");
    let mut bench = ordered();
    bench.web(stream::Event::Bytes(page(bench.counters, PHRASE)));
    bench.web(stream::Event::Bytes(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec()));
    failed(&bench, "status 403");
    let mut bench = ordered();
    bench.web(stream::Event::Bytes(page(bench.counters, PHRASE)));
    for _ in 0..2 {
        bench.web(stream::Event::Closed("the connection was closed".to_owned()));
        bench.web(stream::Event::Connected);
    }
    bench.web(stream::Event::Closed("the connection was closed".to_owned()));
    failed(&bench, "without an answer");
    let mut bench = ordered();
    bench.passes(41);
    failed(&bench, "does not answer in time");
    let mut bench = Bench::new(None, None);
    bench.link.command(Command::KillPower, bench.now);
    bench.pump();
    failed(&bench, "names no card");
    bench.events.clear();
    bench.link.command(Command::PowerOff, bench.now);
    bench.pump();
    failed(&bench, "web page only");
}

#[test]
fn a_pass_phrase_is_shown_by_nothing() {
    let bench = ordered();
    let shown = format!("{:?} {:?}", bench.link, bench.events);
    assert!(!shown.contains(PHRASE) && shown.contains("***"), "{shown}");
}
