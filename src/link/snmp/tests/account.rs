//! A card that speaks v3 alone.

use super::super::account::{Account, Said};
use super::*;
use crate::wire::snmp::v3::{Engine, Envelope, Refused, Security};
use crate::wire::snmp::{Auth, Binding, Key, Oid, Pdu, Privacy, Stretching, Value, v3};

/// The engine of a card, around its objects.
#[derive(Debug)]
pub(super) struct Agent {
    engine: Engine,
    started: Instant,
    login: Login,
    security: Security,
    /// It finds each time wrong.
    has_no_time: bool,
    /// It tells boots and time to whoever asks for its name.
    tells_time: bool,
}

fn key(auth: Auth, passphrase: &str, engine: &[u8]) -> Key {
    let mut stretching = Stretching::new(auth, passphrase.as_bytes());
    loop {
        if let Some(key) = stretching.step() {
            return key.localized(auth, engine);
        }
    }
}

fn security(login: &Login, engine: &[u8]) -> Security {
    let auth = login.auth.as_ref().map(|(auth, passphrase)| (*auth, key(*auth, passphrase, engine)));
    let privacy = login
        .privacy
        .as_ref()
        .map(|(privacy, passphrase)| (*privacy, key(login.auth.as_ref().unwrap().0, passphrase, engine)));
    Security { auth, privacy }
}

impl Agent {
    fn new(login: Login, now: Instant) -> Self {
        let engine = Engine { id: b"\x80\0\x1f\x88card".to_vec(), boots: 7, time: 1000 };
        let security = security(&login, &engine.id);
        Self { engine, started: now, login, security, has_no_time: false, tells_time: true }
    }

    /// It has a new engine.
    fn become_another(&mut self, id: &[u8]) {
        self.engine.id = id.to_vec();
        self.security = security(&self.login, id);
    }

    fn restart(&mut self, boots: u32, now: Instant) {
        (self.engine.boots, self.engine.time, self.started) = (boots, 0, now);
    }

    fn engine(&self, now: Instant) -> Engine {
        let time = self.engine.time + u32::try_from((now - self.started).as_secs()).unwrap();
        Engine { time, ..self.engine.clone() }
    }

    fn message(&self, id: i32, security: &Security, pdu: &Pdu, now: Instant) -> Vec<u8> {
        let user = self.login.user.clone().into_bytes();
        let mut engine = self.engine(now);
        if security.auth.is_none() && !self.tells_time {
            (engine.boots, engine.time) = (0, 0);
        }
        v3::encode(&Envelope { id, engine, user, is_reportable: false }, security, 4711, pdu)
    }

    fn report(&self, id: i32, counter: u32, security: &Security, now: Instant) -> Option<Vec<u8>> {
        let oid = Oid::from(&[1, 3, 6, 1, 6, 3, 15, 1, 1, counter, 0][..]);
        let pdu = Pdu::new(Kind::Report, 0, vec![Binding { oid, value: Value::Counter(1) }]);
        Some(self.message(id, security, &pdu, now))
    }

    pub(super) fn answer(&mut self, unit: &mut Unit, datagram: &[u8], now: Instant) -> Option<Vec<u8>> {
        let message = v3::decode(datagram).ok()?;
        let Envelope { id, engine, user, .. } = message.envelope.clone();
        let none = Security::default();
        if engine.id != self.engine.id {
            return self.report(id, 4, &none, now);
        }
        if user != self.login.user.as_bytes() {
            return self.report(id, 3, &none, now);
        }
        let pdu = match message.open(&self.security) {
            Ok(pdu) => pdu,
            Err(Refused::Level) => return self.report(id, 1, &none, now),
            Err(Refused::Signature) => return self.report(id, 5, &none, now),
            // As net-snmp.
            Err(Refused::Decryption | Refused::Content(_)) => return None,
        };
        let own = self.engine(now);
        if self.security.auth.is_some()
            && (self.has_no_time || engine.boots != own.boots || engine.time.abs_diff(own.time) > 150)
        {
            let signed = Security { privacy: None, ..self.security.clone() };
            return self.report(id, 2, &signed, now);
        }
        let answer = unit.answer(&encode(Version::V2c, b"private", &pdu))?;
        match decode(&answer).ok()? {
            Message::Community { content: Content::Pdu(pdu), .. } => {
                Some(self.message(id, &self.security, &pdu, now))
            }
            _ => None,
        }
    }
}

fn login(auth: Option<Auth>, privacy: Option<Privacy>) -> Login {
    Login {
        user: "ups".to_owned(),
        auth: auth.map(|auth| (auth, "s3cr3t-a".to_owned())),
        privacy: privacy.map(|privacy| (privacy, "s3cr3t-p".to_owned())),
        salt: u64::MAX,
    }
}

fn usual() -> Login {
    login(Some(Auth::Sha256), Some(Privacy::Aes))
}

impl Bench {
    fn with_account(theirs: Login, ours: Login) -> Self {
        let mut bench = Self::with_login(Unit::powernet(), "card", Some(ours));
        bench.agent = Some(Agent::new(theirs, bench.now));
        bench
    }

    fn agent(&mut self) -> &mut Agent {
        self.agent.as_mut().unwrap()
    }

    /// A card whose account was found and read.
    fn with_known_account() -> Self {
        let mut bench = Self::with_account(usual(), usual());
        bench.run(6 * SECOND);
        assert!(bench.lost().is_none());
        assert!(bench.reading().status.contains(StatusFlags::ONLINE));
        bench
    }
}

#[test]
fn a_card_is_found_and_read_at_each_level() {
    for (auth, privacy) in [
        (None, None),
        (Some(Auth::Md5), None),
        (Some(Auth::Md5), Some(Privacy::Des)),
        (Some(Auth::Sha1), Some(Privacy::Aes)),
        (Some(Auth::Sha512), Some(Privacy::Aes)),
    ] {
        for tells_time in [true, false] {
            let mut bench = Bench::with_account(login(auth, privacy), login(auth, privacy));
            bench.agent().tells_time = tells_time;
            bench.run(6 * SECOND);
            assert_eq!(bench.identity().model.as_deref(), Some("Smart-UPS 1500"), "{auth:?} {privacy:?}");
            assert!(bench.lost().is_none());
            assert!(bench.logged().is_empty(), "{:?}", bench.logged());
            bench.unit.mains(false);
            bench.run(8 * SECOND);
            assert!(bench.reading().status.contains(StatusFlags::ONBATT));
            bench.result(Command::SelfTest, 10 * SECOND).unwrap();
            // A message counts for 150 seconds (snmp §9.6); one level shows that longer is the same.
            let longest = if privacy == Some(Privacy::Aes) && auth == Some(Auth::Sha1) { 1000 } else { 200 };
            bench.run(longest * SECOND);
            assert!(!bench.told.iter().any(|(_, event)| matches!(event, LinkEvent::Lost { .. })));
        }
    }
}

#[test]
fn a_card_that_starts_again_or_has_another_engine_is_no_loss() {
    type Change = fn(&mut Agent, Instant);
    let changes: [(&str, Change); 5] = [
        ("started again", |agent, now| agent.restart(8, now)),
        ("its count of starts is lost", |agent, now| agent.restart(1, now)),
        ("another engine", |agent, _| agent.become_another(b"\x80\0\x1f\x88other")),
        ("both", |agent, now| {
            agent.become_another(b"\x80\0\x1f\x88other");
            agent.restart(1, now);
        }),
        ("its clock was set back", |agent, _| agent.engine.time = 10),
    ];
    for (what, change) in changes {
        let mut bench = Bench::with_known_account();
        bench.run(300 * SECOND);
        let now = bench.now;
        change(bench.agent(), now);
        bench.unit.mains(false);
        bench.run(8 * SECOND);
        assert!(bench.reading().status.contains(StatusFlags::ONBATT), "{what}");
        bench.run(300 * SECOND);
        assert!(!bench.told.iter().any(|(_, event)| matches!(event, LinkEvent::Lost { .. })), "{what}");
    }
}

#[test]
fn a_card_that_was_away_is_found_again_with_the_keys_that_are_known() {
    let mut bench = Bench::with_known_account();
    bench.fate = Box::new(|_| Fate::Lost);
    bench.run(60 * SECOND);
    let (_, why) = bench.lost().unwrap();
    assert!(why.contains("no answer by SNMP any more"), "{why}");
    let now = bench.now;
    bench.agent().restart(9, now);
    bench.fate = Box::new(|_| Fate::Arrives);
    bench.run(10 * SECOND);
    assert!(bench.lost().is_none());
}

#[test]
fn what_does_not_fit_is_named_by_its_directive_and_no_secret_is_told() {
    let other = |login: Login| Login { user: "else".to_owned(), ..login };
    let wrong = |login: Login, auth: &str, privacy: &str| Login {
        auth: login.auth.map(|(how, _)| (how, auth.to_owned())),
        privacy: login.privacy.map(|(how, _)| (how, privacy.to_owned())),
        ..login
    };
    for (ours, directive) in [
        (other(usual()), "SNMPUSER"),
        (wrong(usual(), "s3cr3t-x", "s3cr3t-p"), "SNMPAUTH"),
        (login(Some(Auth::Sha1), Some(Privacy::Aes)), "SNMPAUTH"),
        (wrong(usual(), "s3cr3t-a", "s3cr3t-x"), "SNMPPRIV"),
        (login(Some(Auth::Sha256), Some(Privacy::Des)), "SNMPPRIV"),
        (login(Some(Auth::Sha256), None), "SNMPLEVEL"),
        (login(None, None), "SNMPLEVEL"),
    ] {
        let mut bench = Bench::with_account(usual(), ours);
        bench.run(60 * SECOND);
        let (_, why) = bench.lost().unwrap();
        assert!(why.contains(directive), "{directive}: {why}");
        assert!(!format!("{:?} {:?}", bench.told, bench.link).contains("s3cr3t"));
        assert!(bench.requests.len() < 200, "{}", bench.requests.len());
    }
    let mut bench = Bench::with_account(usual(), usual());
    bench.fate = Box::new(|_| Fate::Lost);
    bench.run(60 * SECOND);
    assert!(bench.lost().unwrap().1.contains("v3; is it switched on"));
}

#[test]
fn a_card_that_takes_no_message_cannot_keep_us_busy() {
    let mut bench = Bench::with_account(usual(), usual());
    bench.agent().has_no_time = true;
    bench.run(60 * SECOND);
    assert!(bench.requests.len() < 100, "{}", bench.requests.len());
    let mut bench = Bench::with_known_account();
    bench.run(100 * SECOND);
    bench.agent().has_no_time = true;
    let before = bench.requests.len();
    bench.run(60 * SECOND);
    assert!(bench.requests.len() - before < 100, "{}", bench.requests.len() - before);
    assert!(bench.lost().is_some());
}

/// An account that has been answered once, the agent, and a request of it.
fn known(now: Instant) -> (Account, Agent, Pdu) {
    let mut agent = Agent::new(usual(), now);
    let mut account = Account::new(&usual());
    while !account.is_ready() {
        account.prepare();
    }
    let mut unit = Unit::powernet();
    let mut request = Pdu::new(Kind::Get, 100, vec![Binding::asked(&[1, 3, 6, 1, 2, 1, 1, 1, 0])]);
    let report = agent.answer(&mut unit, &account.protect(&request, now), now).unwrap();
    assert_eq!(account.open(&report, now), Said::Again(100));
    request.request_id = 101;
    let answer = agent.answer(&mut unit, &account.protect(&request, now), now).unwrap();
    assert!(matches!(account.open(&answer, now), Said::Answer(_)));
    (account, agent, request)
}

#[test]
fn an_old_answer_that_is_played_again_is_none() {
    let now = Instant::now();
    let (mut account, mut agent, request) = known(now);
    let answer = |agent: &Agent, at: Instant| {
        agent.message(101, &agent.security, &Pdu::new(Kind::Response, 101, vec![]), at)
    };
    let old = answer(&agent, now);
    let later = now + 149 * SECOND;
    assert!(matches!(account.open(&old, later), Said::Answer(_)), "within the window");
    let later = now + 152 * SECOND;
    assert_eq!(account.open(&old, later), Said::Nothing);
    assert!(matches!(account.open(&answer(&agent, later), later), Said::Answer(_)));
    // Of the life before.
    agent.restart(8, later);
    assert!(matches!(account.open(&answer(&agent, later), later), Said::Answer(_)));
    agent.restart(7, later);
    assert_eq!(account.open(&answer(&agent, later), later), Said::Nothing);
    agent.restart(0x7fff_ffff, later);
    assert_eq!(account.open(&answer(&agent, later), later), Said::Nothing);
    let _ = request;
}

#[test]
fn what_is_less_than_the_account_wants_and_what_answers_nothing_is_nothing() {
    let now = Instant::now();
    let (mut account, agent, _) = known(now);
    let pdu = |kind| Pdu::new(kind, 101, vec![]);
    for security in [Security::default(), Security { privacy: None, ..agent.security.clone() }] {
        let forged = agent.message(101, &security, &pdu(Kind::Response), now);
        assert_eq!(account.open(&forged, now), Said::Nothing);
    }
    let other = agent.message(999, &agent.security, &pdu(Kind::Response), now);
    assert_eq!(account.open(&other, now), Said::Nothing, "nobody asked that");
    // A report of the time that is not signed, and one of another engine by somebody who has not seen the request.
    let unsigned = agent.report(101, 2, &Security::default(), now).unwrap();
    assert_eq!(account.open(&unsigned, now), Said::Nothing);
    let mut another = Agent::new(usual(), now);
    another.become_another(b"\x80\0\x1f\x88evil");
    let blind = another.report(999, 4, &Security::default(), now).unwrap();
    assert_eq!(account.open(&blind, now), Said::Nothing);
    let still = agent.message(101, &agent.security, &pdu(Kind::Response), now);
    assert!(matches!(account.open(&still, now), Said::Answer(_)));
}

fn send(bench: &mut Bench, bytes: Vec<u8>) {
    let event = Event::Bytes { bytes, from: (CARD, 49_152).into(), socket: Socket::Listener };
    bench.link.handle_event(bench.now, event);
}

/// A trap of this agent, as it is at this moment.
fn trap(agent: &Agent, security: &Security, now: Instant) -> Vec<u8> {
    agent.message(1, security, &Pdu::new(Kind::TrapV2, 1, vec![]), now)
}

#[test]
fn a_trap_is_a_hint_if_it_is_the_cards_and_of_now() {
    let looks = |change: fn(&mut Agent, Instant), security: Option<Security>, after: u64| {
        let mut bench = Bench::with_known_account();
        bench.run(6 * SECOND + DELAY);
        let (now, started) = (bench.now, bench.start);
        let agent = bench.agent();
        change(agent, now);
        let bytes = trap(agent, security.as_ref().unwrap_or(&agent.security), now);
        *agent = Agent { started, ..Agent::new(usual(), now) };
        bench.run(Duration::from_secs(after));
        // Until nothing is due by itself.
        while bench.link.poll_timeout().unwrap() < bench.now + SECOND {
            bench.run(SECOND / 2);
        }
        let before = bench.requests.len();
        send(&mut bench, bytes);
        bench.transmit();
        bench.requests.len() > before
    };
    assert!(looks(|_, _| {}, None, 0));
    assert!(looks(|_, _| {}, None, 100));
    assert!(!looks(|_, _| {}, None, 200), "it is old");
    assert!(!looks(|agent, now| agent.restart(6, now), None, 0), "of the life before");
    assert!(!looks(|agent, _| agent.become_another(b"\x80\0\x1f\x88other"), None, 0));
    assert!(!looks(|agent, _| agent.login.user = "else".to_owned(), None, 0));
    assert!(!looks(|_, _| {}, Some(Security::default()), 0), "it is not signed");
}

#[test]
fn an_inform_is_told_of_once_and_left() {
    let mut bench = Bench::with_known_account();
    let user = b"ups".to_vec();
    let envelope = Envelope { id: 5, engine: Engine::default(), user, is_reportable: true };
    for _ in 0..5 {
        let pdu = Pdu::new(Kind::Get, 5, vec![]);
        send(&mut bench, v3::encode(&envelope, &Security::default(), 0, &pdu));
        bench.run(10 * SECOND);
    }
    let told = bench.logged().iter().filter(|line| line.contains("informs")).count();
    assert_eq!((told, bench.acknowledged.len()), (1, 0));
}

#[test]
fn keys_are_made_in_steps_and_nothing_is_sent_before() {
    let mut bench = Bench::with_account(usual(), usual());
    bench.link.handle_timeout(bench.now);
    bench.transmit();
    assert!(bench.requests.is_empty());
    assert!(bench.link.poll_timeout().unwrap() <= bench.now, "it goes on at once");
    let mut steps = 0;
    while bench.requests.is_empty() {
        bench.link.handle_timeout(bench.now);
        bench.transmit();
        steps += 1;
    }
    assert!((120..200).contains(&steps), "{steps}");
}

#[test]
fn each_way_that_the_configuration_can_name_is_the_one_that_is_used() {
    use crate::drivers::{SNMP_AUTHS, SNMP_PRIVS};
    let used = |auth: &str, privacy: &str| Login::new(("u", auth, privacy), [Some("s"); 2], 0);
    let auths = SNMP_AUTHS.map(|name| format!("{:?}", used(name, "AES").auth.unwrap().0).to_uppercase());
    assert_eq!(auths, SNMP_AUTHS.map(|name| if name == "SHA" { "SHA1" } else { name }));
    let privacies =
        SNMP_PRIVS.map(|name| format!("{:?}", used("SHA", name).privacy.unwrap().0).to_uppercase());
    assert_eq!(privacies, SNMP_PRIVS);
}
