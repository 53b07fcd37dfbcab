//! A network card that is slow, busy or short of connections.

use super::*;

/// A card, and the clock.
struct Card {
    unit: Unit,
    link: TcpModbus,
    now: Instant,
    /// From a request to its answer.
    delay: Duration,
    coming: VecDeque<(Instant, stream::Event)>,
    accepts: bool,
    /// It accepts, and says nothing.
    silent: bool,
    /// Exceptions instead of answers, by address.
    exception: Box<dyn FnMut(u16) -> Option<u8>>,
    told: Vec<(Instant, LinkEvent)>,
    requests: Vec<(Instant, u16)>,
    connections: usize,
}

impl Card {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            unit: Unit::new(),
            link: TcpModbus::new(&stream::Target::parse("card", PORT), 60 * SECOND, now),
            now,
            delay: DELAY,
            coming: VecDeque::new(),
            accepts: true,
            silent: false,
            exception: Box::new(|_| None),
            told: Vec::new(),
            requests: Vec::new(),
            connections: 0,
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < 100_000, "a deadline stays in the past");
            while let Some(transmit) = self.link.poll_transmit(self.now) {
                match transmit {
                    stream::Transmit::Connect { .. } => {
                        self.connections += 1;
                        let event = if self.accepts {
                            stream::Event::Connected
                        } else {
                            stream::Event::Closed("Connection refused".to_owned())
                        };
                        self.coming.push_back((self.now, event));
                    }
                    stream::Transmit::Send(frame) => self.asked(&frame),
                    stream::Transmit::Close => self.coming.clear(),
                }
            }
            while let Some(event) = self.link.poll_event() {
                self.told.push((self.now, event));
            }
            let deadline = self.link.poll_timeout();
            let next = self.coming.front().map(|(at, _)| *at).into_iter().chain(deadline).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            let has_come = self.coming.front().is_some_and(|(at, _)| *at <= self.now);
            match if has_come { self.coming.pop_front() } else { None } {
                Some((_, event)) => self.link.handle_event(self.now, event),
                None => self.link.handle_timeout(self.now),
            }
        }
    }

    fn asked(&mut self, frame: &[u8]) {
        let address = u16::from_be_bytes([frame[8], frame[9]]);
        self.requests.push((self.now, address));
        if self.silent {
            return;
        }
        let answer = match (self.exception)(address) {
            Some(code) => [&frame[..4], &[0, 3, frame[6], frame[7] | 0x80, code]].concat(),
            None => self.unit.tcp(frame),
        };
        // One after the other.
        let last = self.coming.back().map_or(self.now, |(at, _)| *at).max(self.now);
        self.coming.push_back((last + self.delay, stream::Event::Bytes(answer)));
    }

    fn readings(&self) -> impl Iterator<Item = (Instant, &Reading)> {
        self.told.iter().filter_map(|(at, event)| match event {
            LinkEvent::Reading(reading) => Some((*at, &**reading)),
            _ => None,
        })
    }

    fn last(&self) -> &Reading {
        self.readings().last().expect("a reading").1
    }

    fn losses(&self) -> usize {
        self.told.iter().filter(|(_, event)| matches!(event, LinkEvent::Lost { .. })).count()
    }

    fn logged(&self) -> usize {
        self.told.iter().filter(|(_, event)| matches!(event, LinkEvent::Log(..))).count()
    }
}

#[test]
fn a_slow_card_is_known_and_everything_of_it_is_read() {
    for delay in [1000, 1500, 1900] {
        let mut card = Card::new();
        card.delay = Duration::from_millis(delay);
        card.run(30 * SECOND);
        assert_eq!(card.losses(), 0, "{delay}");
        let identity = card.told.iter().rev().find_map(|(_, event)| match event {
            LinkEvent::Attached(identity) => Some(identity.clone()),
            _ => None,
        });
        let identity = identity.expect("attached");
        assert_eq!(identity.serial.as_deref(), Some("AS1234567890"), "{delay}");
        assert_eq!(identity.firmware.as_deref(), Some("UPS 09.3 / 0001"), "{delay}");
        assert_eq!(card.last().values.line_voltage, Some(crate::ups::Volts(231.0)));
        card.unit.mains(false);
        card.unit.battery(40, 300, true);
        card.link.set_poll_rate(PollRate::Fast, card.now);
        card.run(20 * SECOND);
        assert!(card.last().status.contains(StatusFlags::ONBATT | StatusFlags::BATTLOW), "{delay}");
        assert_eq!(card.last().values.battery_charge, Some(crate::ups::Percent(40.0)), "{delay}");
        card.link.command(Command::KillPower, card.now);
        card.run(12 * SECOND);
        assert!(card.unit.asked.contains(&(16, 1540, 1)), "{delay}");
        assert_eq!(card.losses(), 0, "{delay}");
    }
}

#[test]
fn a_card_slower_than_its_time_is_not_lost() {
    let mut card = Card::new();
    card.delay = Duration::from_millis(2500);
    card.run(60 * SECOND);
    assert_eq!(card.losses(), 0);
    assert!(card.last().status.contains(StatusFlags::ONLINE));
}

#[test]
fn an_outage_at_a_card_that_answers_only_the_status_is_told() {
    let mut card = Card::new();
    card.unit.mains(false);
    // Nothing comes of the rest, or only after all tries.
    card.exception = Box::new(|address| (address != 0).then_some(6));
    card.run(20 * SECOND);
    assert!(card.last().status.contains(StatusFlags::ONBATT));
    assert_eq!(card.losses(), 0);
}

#[test]
fn a_card_that_is_busy_for_a_while_has_all_its_registers_afterwards() {
    for code in [4, 5, 6, 10, 11] {
        let mut card = Card::new();
        card.run(5 * SECOND);
        card.exception = Box::new(move |_| Some(code));
        card.link.command(Command::Poll, card.now);
        card.run(4 * SECOND);
        card.exception = Box::new(|_| None);
        card.link.set_poll_rate(PollRate::Fast, card.now);
        card.unit.mains(false);
        card.unit.battery(40, 300, true);
        card.run(10 * SECOND);
        let last = card.last();
        assert!(last.status.contains(StatusFlags::ONBATT | StatusFlags::BATTLOW), "{code}");
        assert_eq!(last.values.battery_charge, Some(crate::ups::Percent(40.0)), "{code}");
        assert_eq!(last.values.runtime_left, Some(crate::ups::Minutes(5.0)), "{code}");
        assert_eq!(card.losses(), 0, "{code}");
    }
}

#[test]
fn a_card_that_cannot_be_reached_or_is_silent_is_told_once() {
    for accepts in [false, true] {
        for known in [false, true] {
            let mut card = Card::new();
            if known {
                card.run(5 * SECOND);
                card.coming.clear();
                card.link.handle_event(card.now, stream::Event::Closed("reset".to_owned()));
            }
            (card.accepts, card.silent) = (accepts, true);
            card.run(300 * SECOND);
            assert!((1..=2).contains(&card.losses()), "{accepts} {known}: {}", card.losses());
            assert!(card.logged() <= 2, "{accepts} {known}: {}", card.logged());
            (card.accepts, card.silent) = (true, false);
            card.run(20 * SECOND);
            assert!(card.last().status.contains(StatusFlags::ONLINE));
        }
    }
}

#[test]
fn an_answer_whose_parts_come_around_a_second_try_costs_no_connection() {
    let mut card = Card::new();
    card.run(5 * SECOND);
    let before = card.requests.len();
    card.silent = true;
    while card.requests.len() == before {
        card.run(SECOND / 10);
    }
    let frame = {
        let mut frame = card.unit.tcp(&[0, 99, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2]);
        frame[1] = 0;
        frame
    };
    let (first, rest) = frame.split_at(9);
    let second_try = card.requests[before].0 + 3 * SECOND + SECOND / 50;
    card.silent = false;
    card.link.handle_event(card.now, stream::Event::Bytes(first.to_vec()));
    card.coming.push_back((second_try, stream::Event::Bytes(rest.to_vec())));
    card.run(10 * SECOND);
    assert_eq!((card.connections, card.losses()), (1, 0));
}

#[test]
fn a_card_that_closes_each_connection_after_a_while_is_not_lost_and_an_outage_is_seen() {
    let mut card = Card::new();
    for turn in 0..10 {
        card.run(30 * SECOND);
        card.unit.mains(turn % 2 == 0);
        card.coming.clear();
        card.link.handle_event(card.now, stream::Event::Closed("closed".to_owned()));
        card.run(3 * SECOND);
        assert_eq!(card.last().status.contains(StatusFlags::ONBATT), turn % 2 == 1, "{turn}");
    }
    assert_eq!(card.losses(), 0);
}

#[test]
fn a_card_whose_addresses_take_long_is_told_of_as_lost_in_time() {
    let mut card = Card::new();
    card.run(5 * SECOND);
    card.coming.clear();
    card.link.handle_event(card.now, stream::Event::Closed("reset".to_owned()));
    card.run(SECOND / 2);
    let closed = card.now;
    // Nothing comes of the connection that is being made.
    while card.connections < 2 {
        card.now += SECOND / 10;
        card.link.handle_timeout(card.now);
        if let Some(stream::Transmit::Connect { .. }) = card.link.poll_transmit(card.now) {
            card.connections += 1;
        }
    }
    card.run(30 * SECOND);
    let lost = card.told.iter().find(|(_, event)| matches!(event, LinkEvent::Lost { .. }));
    assert!(lost.expect("lost").0 <= closed + 11 * SECOND);
}

#[test]
fn what_a_card_never_answers_of_its_identity_is_given_up_and_keeps_nothing_from_being_seen() {
    let mut card = Card::new();
    card.exception = Box::new(|address| (512..1536).contains(&address).then_some(11));
    card.run(20 * 60 * SECOND);
    let attached = |card: &Card| card.told.iter().filter(|it| matches!(it.1, LinkEvent::Attached(_))).count();
    assert!((2..=6).contains(&attached(&card)), "{}", attached(&card));
    let asked = card.requests.iter().filter(|(_, address)| (512..1536).contains(address)).count();
    assert!(asked <= 12, "{asked}");
    card.unit.mains(false);
    card.run(3 * SECOND);
    assert!(card.last().status.contains(StatusFlags::ONBATT));
    // Busy at first only, it is known after the next round.
    let mut card = Card::new();
    let mut left = 2;
    card.exception = Box::new(move |address| {
        left -= i32::from(left > 0 && address > 512);
        (left > 0 && address > 512).then_some(6)
    });
    card.run(61 * SECOND);
    assert_eq!(attached(&card), 2);
    let identity = card.told.iter().rev().find_map(|(_, event)| match event {
        LinkEvent::Attached(identity) => Some(identity.clone()),
        _ => None,
    });
    assert_eq!(identity.and_then(|it| it.serial).as_deref(), Some("AS1234567890"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 30, failure_persistence: None, ..proptest::prelude::ProptestConfig::default() })]
    #[test]
    fn whatever_a_card_does_an_outage_is_seen_once_it_answers(
        turns in proptest::collection::vec((0_u8..8, 0_u64..3_500, 0_u64..20_000), 1..30),
    ) {
        let mut card = Card::new();
        for (what, delay, time) in turns {
            (card.accepts, card.silent) = (what != 0, what == 1);
            card.delay = Duration::from_millis(delay);
            let code = match what { 2 => Some(6), 3 => Some(11), 4 => Some(2), _ => None };
            card.exception = Box::new(move |_| code);
            match what {
                5 => card.coming.push_back((card.now, stream::Event::Bytes(vec![0x55; 40]))),
                6 if matches!(card.link.connection, Connection::Made) => {
                    card.coming.clear();
                    card.link.handle_event(card.now, stream::Event::Closed("reset".to_owned()));
                }
                7 => card.link.command(Command::Poll, card.now),
                _ => {}
            }
            card.coming.make_contiguous().sort_by_key(|(at, _)| *at);
            card.run(Duration::from_millis(time));
        }
        (card.accepts, card.silent, card.delay) = (true, false, DELAY);
        card.exception = Box::new(|_| None);
        card.unit.mains(false);
        card.unit.battery(30, 300, true);
        card.link.set_poll_rate(PollRate::Fast, card.now);
        card.run(30 * SECOND);
        proptest::prop_assert!(card.last().status.contains(StatusFlags::ONBATT));
        proptest::prop_assert!(card.requests.len() < 20_000);
        // What was refused comes later.
        card.run(10 * 60 * SECOND);
        proptest::prop_assert!(card.last().status.contains(StatusFlags::BATTLOW));
        proptest::prop_assert_eq!(card.last().values.battery_charge, Some(crate::ups::Percent(30.0)));
    }
}

#[test]
fn kill_power_goes_to_a_card_at_once_though_it_answers_nothing_of_a_clients_order() {
    let mut card = Card::new();
    card.run(5 * SECOND);
    card.silent = true;
    card.link.command(Command::SelfTest, card.now);
    card.run(SECOND);
    let before = card.requests.len();
    card.link.command(Command::KillPower, card.now);
    card.run(SECOND / 1000);
    assert_eq!(card.requests[before..].iter().map(|(_, address)| *address).collect::<Vec<_>>(), [1540]);
}
