//! The order to switch off: the card's page is asked for its challenge, and the answer to that is sent (pcnet §5).

use std::time::{Duration, Instant};

use super::Card;
use super::gate::Gate;
use crate::bus::stream::{Event, Transmit};
use crate::ups::one_line;
use crate::wire::pcnet::{PAGE, Packet, Response, control_request, page_request, signed_part};

/// Longest wait for a connection to one address of the card.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest the whole may take.
const TIMEOUT: Duration = Duration::from_secs(40);
/// Most connections.
const CONNECTIONS_MAX: u8 = 3;

/// How an order ended.
pub(super) type Outcome = Result<String, String>;

/// An order on its way.
#[derive(Debug)]
pub(super) struct Kill {
    /// What has come of the answer.
    come: Vec<u8>,
    step: Step,
    /// What is to be done next.
    next: Option<Transmit>,
    connections: u8,
    until: Instant,
}

#[derive(Debug)]
enum Step {
    /// The page is asked for.
    Page,
    /// The order is to be sent over a connection made anew.
    Again(Vec<u8>),
    /// The order has been sent.
    Sent(Vec<u8>),
}

impl Kill {
    pub(super) fn new(now: Instant) -> Self {
        let mut kill =
            Self { come: Vec::new(), step: Step::Page, next: None, connections: 0, until: now + TIMEOUT };
        kill.connect();
        kill
    }

    fn connect(&mut self) {
        self.connections = self.connections.saturating_add(1);
        self.next = Some(Transmit::Connect { target: 0, timeout: CONNECT_TIMEOUT });
    }

    pub(super) const fn poll_transmit(&mut self) -> Option<Transmit> {
        self.next.take()
    }

    pub(super) const fn until(&self) -> Instant {
        self.until
    }

    /// How it ended, if time is over.
    pub(super) fn handle_timeout(&self, now: Instant) -> Option<Outcome> {
        (now >= self.until).then(|| {
            Err(match self.step {
                Step::Sent(_) => {
                    "the card was told, and does not answer whether the UPS switches off".to_owned()
                }
                Step::Page | Step::Again(_) => {
                    "the web server of the card does not answer in time".to_owned()
                }
            })
        })
    }

    /// Something has happened to the connection; how the order ended, if it has.
    pub(super) fn handle_event(&mut self, event: Event, card: &Card, gate: &Gate) -> Option<Outcome> {
        let (ended, reason) = match event {
            Event::Connected => {
                self.come.clear();
                let request = match std::mem::replace(&mut self.step, Step::Page) {
                    Step::Again(request) | Step::Sent(request) => {
                        self.step = Step::Sent(request.clone());
                        request
                    }
                    Step::Page => page_request(&card.authority()),
                };
                self.next = Some(Transmit::Send(request.into()));
                return None;
            }
            Event::Bytes(bytes) => {
                self.come.extend_from_slice(&bytes);
                (false, String::new())
            }
            // A new connection is to be made already.
            Event::Closed(_) if matches!(self.next, Some(Transmit::Connect { .. })) => return None,
            Event::Closed(reason) => (true, reason),
        };
        match Response::parse(&self.come, ended) {
            Ok(None) => None,
            Ok(Some(response)) => {
                self.come.clear();
                self.take(&response, ended, card, gate)
            }
            Err(_) if ended && self.come.is_empty() => self.ended(&reason),
            Err(_) => Some(Err("the web server of the card gives no whole answer".to_owned())),
        }
    }

    /// The connection has ended without an answer.
    fn ended(&mut self, reason: &str) -> Option<Outcome> {
        match std::mem::replace(&mut self.step, Step::Page) {
            // One that the card had kept open may end before it has read anything.
            Step::Sent(request) if self.connections < CONNECTIONS_MAX => {
                self.step = Step::Again(request);
                self.connect();
                None
            }
            Step::Sent(_) => Some(Err(
                "the card was told, and has closed the connection without an answer whether the UPS switches off".to_owned(),
            )),
            Step::Page | Step::Again(_) => Some(Err(format!("the web server of the card: {reason}"))),
        }
    }

    fn take(&mut self, response: &Response, ended: bool, card: &Card, gate: &Gate) -> Option<Outcome> {
        let status = response.status;
        if matches!(self.step, Step::Sent(_)) {
            return Some(result(response));
        }
        if status != 200 {
            return Some(Err(format!("the web server of the card answers {PAGE} with status {status}")));
        }
        let Some(packet) = signed_part(&response.body).and_then(|part| Packet::parse(part).ok()) else {
            return Some(Err(format!("{PAGE} of the card is not signed")));
        };
        if let Err(refusal) = gate.check_card(card, &packet) {
            return Some(Err(format!("{PAGE} of the card is refused: {}", refusal.reason())));
        }
        let Some(challenge) = packet.value("CS") else {
            return Some(Err(format!("{PAGE} of the card has no challenge CS")));
        };
        let request = control_request(&card.authority(), challenge, &card.secret);
        if ended || response.closes {
            self.step = Step::Again(request);
            self.connect();
        } else {
            self.step = Step::Sent(request.clone());
            self.next = Some(Transmit::Send(request.into()));
        }
        None
    }
}

/// What the card's answer to the order says.
fn result(response: &Response) -> Outcome {
    let status = response.status;
    let location = response.location.as_deref().unwrap_or_default();
    let asks_who = ["logon", "login"].iter().any(|word| location.to_ascii_lowercase().contains(word));
    match status {
        300..400 if asks_who => Err(format!(
            "the card refuses the order: it sends to {} with status {status}",
            one_line(location)
        )),
        200..400 => Ok(format!("the card has taken the order that the UPS switches off (status {status})")),
        _ => Err(format!("the card refuses the order: status {status}")),
    }
}
