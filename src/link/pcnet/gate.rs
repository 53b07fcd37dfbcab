//! Which packets are believed: signed ones of the card, each newer than the one before (pcnet §2.2).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Card;
use crate::wire::pcnet::{Counters, Packet, is_equal};

/// A card that counts anew is believed after so many packets, if each is newer than the one before ...
const ANEW_PACKETS: u8 = 3;
/// ... if they took so long, and none came of those that it had sent before: a card that is there sends one every 25 s.
const ANEW_SPAN: Duration = Duration::from_secs(30);

/// Why a packet is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It has no digest.
    Unsigned,
    /// Its digest is another.
    WrongDigest,
    /// It is of another card; what it says of itself.
    OtherCard(String),
    /// The address of the card is not known yet.
    Unknown,
    /// It comes from elsewhere than those before.
    OtherSender(IpAddr),
    /// It has no counters.
    Uncounted,
    /// It is not newer than one that was there before.
    Old,
    /// It is of a card that counts anew, and does not say that mains is there.
    AnewOnBattery,
}

/// How many kinds of refusal there are.
pub(super) const REFUSALS: usize = 8;

impl Refusal {
    /// Its kind, for what is counted by kinds.
    pub(super) const fn kind(&self) -> usize {
        match self {
            Self::Unsigned => 0,
            Self::WrongDigest => 1,
            Self::OtherCard(_) => 2,
            Self::Unknown => 3,
            Self::OtherSender(_) => 4,
            Self::Uncounted => 5,
            Self::Old => 6,
            Self::AnewOnBattery => 7,
        }
    }

    /// Why, for a person.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Unsigned => "it is not signed".to_owned(),
            Self::WrongDigest => {
                "it is signed with another user or pass phrase than those in DEVICE".to_owned()
            }
            Self::OtherCard(name) => {
                format!("it is of the card {name}, which is not the one that DEVICE names")
            }
            Self::Unknown => "the name in DEVICE has not been looked up yet".to_owned(),
            Self::OtherSender(sender) => format!("packets of {sender} are believed until that is lost"),
            Self::Uncounted => "it has no counters SR and SU".to_owned(),
            Self::Old => "it is not newer than one that came before: old, sent again, or of a card that counts anew, which is \
                          believed in a while"
                .to_owned(),
            Self::AnewOnBattery => "it is not newer than one that came before and does not say that mains is there: recorded by \
                                    somebody, or of a card that counts anew, which is believed once it says so"
                .to_owned(),
        }
    }
}

/// A card that may have begun to count anew.
#[derive(Clone, Copy, Debug)]
struct Anew {
    since: Instant,
    newest: Counters,
    packets: u8,
}

/// What has passed.
#[derive(Debug)]
pub(super) struct Gate {
    /// Addresses that the card's name has.
    pub(super) addresses: Vec<IpAddr>,
    newest: Option<Counters>,
    /// How many packets have passed in a row, counted to two; what an earlier run has noted is as good as two.
    passed: u8,
    anew: Option<Anew>,
    /// Without a pass phrase: who sent them.
    sender: Option<IpAddr>,
}

impl Gate {
    /// `newest`: the newest counters that an earlier run has seen.
    pub(super) fn new(card: Option<&Card>, newest: Option<Counters>) -> Self {
        let addresses = card.and_then(|card| card.host.parse().ok()).into_iter().collect();
        // Without a pass phrase it is not known whose they are.
        let newest = newest.filter(|_| card.is_some());
        let passed = if newest.is_some() { 2 } else { 0 };
        Self { addresses, newest, passed, anew: None, sender: None }
    }

    /// Whether a packet alone is no proof: anybody could have sent it, or recorded it at any time.
    pub(super) const fn is_in_doubt(&self, card: Option<&Card>) -> bool {
        card.is_none() || self.passed < 2
    }

    /// Judges a packet that came from there; `says_mains`: that the load runs from mains, and nothing bad;
    /// `None`: nothing of that.
    pub(super) fn judge(
        &mut self,
        card: Option<&Card>,
        packet: &Packet<'_>,
        from: IpAddr,
        says_mains: Option<bool>,
        now: Instant,
    ) -> Result<Counters, Refusal> {
        match card {
            Some(card) => self.check_card(card, packet)?,
            None => match self.sender {
                Some(sender) if sender != from => return Err(Refusal::OtherSender(sender)),
                _ => {}
            },
        }
        let counters = packet.counters().ok_or(Refusal::Uncounted)?;
        if self.newest.is_none_or(|newest| counters > newest) {
            self.passed = self.passed.saturating_add(1).min(2);
        } else {
            self.judge_anew(counters, says_mains, now)?;
        }
        self.anew = None;
        self.newest = Some(counters);
        self.sender = Some(from);
        Ok(counters)
    }

    /// Whether a card has signed this, and is the one that DEVICE names.
    pub(super) fn check_card(&self, card: &Card, packet: &Packet<'_>) -> Result<(), Refusal> {
        let (signed, sent) = packet.signed();
        if !is_equal(sent, &card.secret.sign(&[signed])) {
            return Err(Refusal::WrongDigest);
        }
        let name = String::from_utf8_lossy(packet.value("PC").unwrap_or_default());
        let address: Option<IpAddr> = name.parse().ok();
        match address {
            _ if name == card.host.as_str() => Ok(()),
            _ if self.addresses.is_empty() => Err(Refusal::Unknown),
            Some(address) if self.addresses.contains(&address) => Ok(()),
            _ => Err(Refusal::OtherCard(crate::ups::one_line(&name).into_owned())),
        }
    }

    /// Judges a packet that is not newer than those before.
    fn judge_anew(
        &mut self,
        counters: Counters,
        says_mains: Option<bool>,
        now: Instant,
    ) -> Result<(), Refusal> {
        // One that says nothing of the UPS neither counts nor refutes, and the newest one sent again is no beginning.
        let Some(says_mains) = says_mains.filter(|_| self.newest != Some(counters)) else {
            return Err(Refusal::Old);
        };
        if !says_mains {
            self.anew = None;
            return Err(Refusal::AnewOnBattery);
        }
        let anew = match self.anew {
            Some(anew) if counters == anew.newest => return Err(Refusal::Old),
            Some(anew) if counters > anew.newest => {
                Anew { newest: counters, packets: anew.packets.saturating_add(1), ..anew }
            }
            // A lower one begins again: one that was recorded must not keep a card out that counts anew.
            Some(_) | None => Anew { since: now, newest: counters, packets: 1 },
        };
        self.anew = Some(anew);
        let is_over = anew.packets >= ANEW_PACKETS && now.saturating_duration_since(anew.since) >= ANEW_SPAN;
        if is_over { Ok(()) } else { Err(Refusal::Old) }
    }

    /// The card is lost: without a pass phrase, who sends next is believed.
    pub(super) fn lose(&mut self, card: Option<&Card>) {
        if card.is_none() {
            (self.sender, self.newest, self.anew, self.passed) = (None, None, None, 0);
        }
    }
}
