//! Any bytes as a session of a client of the control socket: what must hold is checked with each answer.

use std::time::Instant;

use mainsd::server::control::{Control, Orders};
use mainsd::server::{Client, Protocol, Reply};
use mainsd::sys::local::Peer;
use mainsd::wire::control::{Answer, AnswerReader, Outcome, Request};

/// Answers each order at once.
#[derive(Default)]
struct AtOnce(Vec<(u32, Request)>);

impl Orders for AtOnce {
    fn order(&mut self, number: u32, _: Peer, request: Request) {
        self.0.push((number, request));
    }

    fn poll_answer(&mut self, number: u32) -> Option<String> {
        let at = self.0.iter().position(|(of, _)| *of == number)?;
        let (_, request) = self.0.remove(at);
        let value = request.value.map(|value| value.to_string()).unwrap_or_default();
        Some(Answer::new(Outcome::Done, value).encode())
    }
}

/// The first byte says in which pieces the rest comes, and how often an answer is waited for.
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
pub fn run(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_first() else { return };
    let peer = Some(Peer { pid: 1, uid: 2, is_member: false });
    let client = Client { address: std::net::Ipv4Addr::LOCALHOST.into(), peer, opened: Instant::now() };
    let (mut protocol, mut source) = (Control::default(), AtOnce::default());
    let orders: &mut dyn Orders = &mut source;
    let (mut session, greeting) = protocol.open(&client, orders);
    assert!(greeting.is_none());
    for piece in rest.chunks(usize::from(how % 16) + 1) {
        let mut piece = piece;
        while !piece.is_empty() {
            let (used, reply) = protocol.handle_bytes(&mut session, &client, piece, orders);
            assert!(used > 0 && used <= piece.len());
            piece = &piece[used..];
            match reply {
                Reply::Send(answer) => check(&answer),
                Reply::Last(answer) => return check(&answer),
                Reply::Nothing => {}
                Reply::List | Reply::Close => panic!("never"),
            }
            if how & 16 == 0 {
                if let Some(answer) = protocol.push(&mut session, &client, orders) {
                    check(&answer);
                    assert!(!<Control as Protocol>::watches(&session));
                }
            }
        }
    }
}

/// An answer is one that the client understands, and ends with its last line.
fn check(answer: &[u8]) {
    let text = std::str::from_utf8(answer).unwrap();
    assert!(text.ends_with('\n'));
    let mut reader = AnswerReader::default();
    let answers = text.lines().filter(|line| reader.take(line).unwrap().is_some()).count();
    assert_eq!(answers, 1, "{text:?}");
}
